"""``manage.py up``: one command for supervisor, web workers and operations worker."""

import os
import signal
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from medimgr.events.models import Connection, Event
from monitoring.models import Node, Service, ServiceStatus
from tests.events.sessions import log_in
from tests.events.stream_client import StreamClient
from tests.factories import make_node, make_service
from tests.monitoring.supervision.ward import Ward, sleeper
from tests.running import RunningProcess, free_port


@pytest.fixture
def port() -> Iterator[int]:
    return free_port()  # type: ignore[return-value]


def up(ward: Ward, port: int, *arguments: str, ready: bool = True, **variables: str) -> RunningProcess:
    process = ward.instance.start("up", "--bind", f"127.0.0.1:{port}", *arguments, **variables)
    ward.supervisor = process
    if ready:
        ward.wait(
            lambda: "medimgr is up" in process.output() or not process.alive, "the page is served", timeout=40
        )
        assert process.alive, process.output()
    return process


def health(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code


def builtin_pids() -> dict[str, int | None]:
    rows = ServiceStatus.objects.filter(service__builtin=True).order_by("service__key")
    return dict(rows.values_list("service__key", "pid"))


@pytest.mark.both_databases
def test_up_serves_says_where_and_stops_everything(ward: Ward, port: int) -> None:
    service = ward.declare()
    process = up(ward, port)
    assert f"http://127.0.0.1:{port}/" in process.output()
    assert health(port) == 200
    ward.reaches(service, "RUNNING")
    builtin = Service.objects.filter(builtin=True).order_by("key")
    assert [s.key for s in builtin] == ["medimgr-operations", "medimgr-web-1"]
    assert {s.group for s in builtin} == {"medimgr"}
    for one in builtin:
        ward.reaches(one, "RUNNING")
    # A web worker that dies is replaced, and meanwhile no connection is refused.
    web = Service.objects.get(key="medimgr-web-1")
    old = ward.kill(web)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as waiting:
        waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert b"200" in waiting.recv(100)
    ward.comes_back(web, old, timeout=30)
    process.signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "press Ctrl-C again to force" in process.output()
    assert ward.instance.living() == []
    assert Node.objects.get().supervisor_pid is None


@pytest.mark.both_databases
def test_the_streams_of_a_web_worker_that_is_killed_are_gone_at_once(ward: Ward, port: int) -> None:
    up(ward, port)
    web = Service.objects.get(key="medimgr-web-1")
    pid = ward.reaches(web, "RUNNING").pid or 0
    session = log_in(User.objects.create_user("watcher", is_staff=True, is_superuser=True))
    with StreamClient(port, session, topics="service").start():
        assert Connection.objects.filter(worker__pid=pid).count() == 1
        before = Event.objects.latest("id").pk
        ward.kill(web)
        killed = time.monotonic()
        ward.wait(lambda: not Connection.objects.filter(worker__pid=pid).exists(), "its stream is gone", 10)
        assert time.monotonic() - killed < 2.0
    # Whoever watches through another worker was told so.
    (told,) = Event.objects.filter(pk__gt=before, topic="connection", data__connected=False)
    assert (told.data["reason"], told.data["total"]) == ("worker-lost", 0)


@pytest.mark.both_databases
def test_kill_minus_nine_and_up_again_changes_no_pid_and_interrupts_nobody(ward: Ward, port: int) -> None:
    service = ward.declare()
    first = up(ward, port)
    ward.reaches(service, "RUNNING")
    for one in Service.objects.filter(builtin=True):
        ward.reaches(one, "RUNNING")
    pids, own = builtin_pids(), ward.status(service).pid
    assert len(pids) == 2
    first.kill()
    assert all(health(port) == 200 for _ in range(10))
    up(ward, port)
    for one in Service.objects.filter(builtin=True):
        ward.reaches(one, "RUNNING", reason="adopted")
    assert builtin_pids() == pids
    assert ward.status(service).pid == own
    # The new socket of the second "up" is not listened on by nobody: every request is answered.
    assert all(health(port) == 200 for _ in range(30))
    # One of the adopted web workers dies: its successor has the new socket, and all goes on.
    web = Service.objects.get(key="medimgr-web-1")
    ward.comes_back(web, ward.kill(web), timeout=40)
    assert all(health(port) == 200 for _ in range(30))


def test_web_workers_that_nobody_could_write_down_are_not_in_the_way_of_the_next_up(
    ward: Ward, port: int
) -> None:
    directory = ward.instance.data_dir / "runs" / ward.instance.env["MEDIMGR_NODE"]
    directory.mkdir(parents=True)
    (directory / "journal").symlink_to("/dev/full")
    another_form = str(ward.instance.data_dir) + "/."
    up(ward, port, MEDIMGR_DATA_DIR=another_form).kill()
    web = Service.objects.get(key="medimgr-web-1")
    up(ward, port)
    assert health(port) == 200
    (process,) = ward.processes(web)
    assert ward.status(web).pid == process.pid


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bind", "nonsense"], "HOST:PORT"),
        (["--bind", "127.0.0.1:99999"], "HOST:PORT"),
        (["--bind", "::1:8000"], r"in brackets. Write \[::1\]:8000"),
        (["--bind", "[::z]:8000"], r"\[IPV6\]:PORT"),
        (["--bind", "[2001:db8::1]:8000"], "2001:db8::1 is not an address of this machine"),
        (["--workers", "0"], "1 to 64"),
        (["--bind", "192.0.2.1:8000"], "192.0.2.1 is not an address of this machine"),
    ],
)
def test_bad_arguments_are_explained(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("up", *arguments)


def test_a_port_in_use_is_named_before_anything_starts(port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(CommandError, match=rf"Port {port} is taken by pid {os.getpid()} .*--bind"),
    ):
        call_command("up", "--bind", f"127.0.0.1:{port}")


def test_up_listens_on_ipv6(ward: Ward, port: int) -> None:
    process = up(ward, port, "--bind", f"[::1]:{port}")
    assert f"http://[::1]:{port}/" in process.output()
    assert httpx.get(f"http://[::1]:{port}/healthz", timeout=5).status_code == 200


def test_fewer_workers_than_before_removes_the_surplus(ward: Ward, port: int) -> None:
    process = up(ward, port, "--workers", "2")
    assert process.stop(30) == 0
    process = up(ward, port)
    assert sorted(builtin_pids()) == ["medimgr-operations", "medimgr-web-1"]
    # A builtin that an operator stopped is wanted up again by the next "up".
    ward.act(Service.objects.get(key="medimgr-operations"), "stop")
    assert process.stop(30) == 0
    up(ward, port)
    ward.reaches(Service.objects.get(key="medimgr-operations"), "RUNNING")


def test_another_address_replaces_a_web_worker_that_was_left_at_the_old_one(ward: Ward, port: int) -> None:
    up(ward, port).kill()
    other = free_port()
    up(ward, other)
    assert health(other) == 200
    with socket.socket() as probe:
        ward.wait(lambda: probe.connect_ex(("127.0.0.1", port)) != 0, "the old address is not served")


def test_services_of_a_file_are_imported_and_started(ward: Ward, port: int) -> None:
    file = ward.instance.directory / "services.toml"
    file.write_text('[services.napper]\nname = "Napper"\ncommand = ["sleep", "600"]\nstart_seconds = 0.1\n')
    up(ward, port, "--services", str(file))
    ward.reaches(Service.objects.get(key="napper"), "RUNNING")


def test_a_bad_file_of_services_is_explained_and_starts_nothing(ward: Ward, port: int) -> None:
    file = ward.instance.directory / "services.toml"
    file.write_text('[services.napper]\ncommand = "not a list"\n')
    process = up(ward, port, "--services", str(file), ready=False)
    assert process.wait(20) == 1
    assert "services.toml" in process.output()
    assert "Traceback" not in process.output()


def test_supervise_alone_ends_the_web_workers_that_up_left(ward: Ward, port: int) -> None:
    up(ward, port).kill()
    ward.start()
    ward.wait(lambda: not Service.objects.filter(builtin=True).exists(), "the rows are gone")
    ward.wait(
        lambda: {p.pid for p in ward.instance.living()} == {ward.running().pid}, "their processes are ended"
    )


def test_a_node_keeps_its_own_builtin_services_beside_another_nodes(ward: Ward, port: int) -> None:
    other = make_node("othernode")
    make_service("medimgr-web-1", node=other, builtin=True, command=sleeper())
    up(ward, port)
    mine = Service.objects.filter(builtin=True, node__name=ward.instance.env["MEDIMGR_NODE"])
    assert "medimgr-web-1.testnode" in mine.values_list("key", flat=True)
    assert Service.objects.get(key="medimgr-web-1").node == other
