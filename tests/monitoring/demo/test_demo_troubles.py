"""When one demo service is away, the others say so, keep what they have, and go on when it is back."""

import socket
from pathlib import Path

import pytest

from tests.monitoring.demo.running import Demo, demo, eventually, run
from tests.running import free_port


def vote(backend: Demo, voter: str = "v") -> int:
    return backend.ask("/ballots", {"voter": voter, "choice": "Ada"}).status


def test_ballots_wait_for_the_blockchain_node_and_are_sealed_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    chain_url = f"http://127.0.0.1:{port}"
    with demo("backend", tmp_path, BLOCKCHAIN_URL=chain_url, SEAL_SECONDS="0.05") as backend:
        assert [vote(backend) for _ in range(5)] == [202] * 5
        health = backend.health()
        assert (health["status"], health["sealing"], health["waiting"]) == ("ok", "paused", 5)
        assert backend.ask("/health").status == 200
        with demo("blockchain", tmp_path, port, BLOCK_SECONDS="0.1", DIFFICULTY="8"):
            eventually(lambda: backend.health()["handed_over"] == 5)
            assert backend.health()["waiting"] == 0


def test_a_full_queue_refuses_ballots_and_is_unhealthy(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with demo("backend", tmp_path, BLOCKCHAIN_URL=nobody, MOST_WAITING="3") as backend:
        assert [vote(backend) for _ in range(4)] == [202, 202, 202, 503]
        answer = backend.ask("/health")
        assert (answer.status, answer.json["status"], answer.json["sealing"]) == (503, "failing", "paused")
        assert backend.ask("/tally").json["waiting"] == 3


def test_the_frontend_is_unhealthy_without_its_backend(tmp_path: Path) -> None:
    with demo("frontend", tmp_path, BACKEND_URL=f"http://127.0.0.1:{free_port()}") as frontend:
        assert frontend.ask("/health").status == 503
        answer = frontend.ask("/")
        assert answer.status == 502
        assert answer.json["error"].startswith("The backend cannot be reached")


def test_a_node_that_falls_silent_is_dropped(tmp_path: Path) -> None:
    with demo("coordinator", tmp_path, NODE_KEEP_SECONDS="0.3") as coordinator:
        node = {"name": "one", "kind": "blockchain", "url": "http://127.0.0.1:1"}
        assert coordinator.ask("/nodes", node).status == 201
        assert coordinator.ask("/nodes", node).status == 200
        assert coordinator.ask("/nodes?kind=blockchain").json["nodes"] == [node]
        eventually(lambda: coordinator.ask("/nodes").json["nodes"] == [])
        assert "node one has not renewed" in coordinator.log


def test_the_incentive_system_follows_a_chain_that_began_anew(tmp_path: Path) -> None:
    port = free_port()
    quick = {"BLOCK_SECONDS": "0.1", "DIFFICULTY": "4"}
    url = f"http://127.0.0.1:{port}"
    with demo("incentive", tmp_path, BLOCKCHAIN_URL=url, FOLLOW_SECONDS="0.05") as incentive:
        with demo("blockchain", tmp_path, port, NODE_NAME="first", **quick):
            eventually(lambda: incentive.health()["credited_up_to"] >= 3)
        with demo("blockchain", tmp_path, port, NODE_NAME="second", **quick):
            eventually(lambda: "second" in incentive.ask("/balances").json["balances"])
        assert "first" in incentive.ask("/balances").json["balances"]


def test_a_taken_port_is_said_plainly() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ended = run("coordinator", PORT=str(holder.getsockname()[1]))
    assert ended.returncode == 1
    assert "cannot listen on 127.0.0.1" in ended.stdout
    assert "Address already in use. Free the port, or set PORT to another one." in ended.stdout


@pytest.mark.parametrize("port", ["http", "0", "70000", "nan"])
def test_a_bad_setting_is_said_plainly(port: str) -> None:
    ended = run("backend", PORT=port)
    assert ended.returncode == 2
    assert f"PORT='{port}' has to be a number from 1 to 65535." in ended.stdout


@pytest.mark.parametrize("module", ["coordinator", "blockchain", "incentive", "backend"])
def test_sigterm_ends_it_cleanly(tmp_path: Path, module: str) -> None:
    with demo(module, tmp_path, BLOCK_SECONDS="0.1") as service:
        assert service.end() == 0
        assert "ends after SIGTERM" in service.log
        assert service.log.rstrip().endswith("has ended")  # no chore goes on after the end
