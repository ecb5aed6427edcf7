"""The ``services`` command as an operator uses it: real processes, a real supervisor."""

import json
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from monitoring.models import ServiceStatus
from tests.running import MANAGE, ROOT, Instance, RunningProcess, free_port


def declare(instance: Instance, directory: Path, *, port: int) -> None:
    """Import the demo's coordinator, on ``port``."""
    text = (ROOT / "monitoring/demo/services.toml").read_text(encoding="utf-8")
    table = text[text.index("[services.coordinator]") : text.index("[services.blockchain-node]")]
    path = directory / "services.toml"
    path.write_text(table.replace("8104", str(port)), encoding="utf-8")
    done = instance.manage("services", "import", str(path))
    assert (done.returncode, done.stdout) == (0, "coordinator  created\n1 service: 1 created.\n"), done.stderr


def reported(instance: Instance) -> ServiceStatus:
    """Return the service's status without a process of its own: waiting is to be cheap."""
    with instance.database():
        return ServiceStatus.objects.get()


def supervised(instance: Instance) -> RunningProcess:
    """Start a supervisor and wait until the service runs."""
    supervisor = instance.start("supervise")
    instance.wait_for(
        lambda: not supervisor.alive or reported(instance).state == "RUNNING", 30, "the service runs"
    )
    assert supervisor.alive, supervisor.output()
    return supervisor


def test_a_service_is_restarted_watched_and_stopped_from_a_shell(instance: Instance, tmp_path: Path) -> None:
    declare(instance, tmp_path, port=free_port())
    refused = instance.manage("services", "start", "coordinator")
    assert refused.returncode == 1
    assert "No supervisor reports for node" in refused.stderr

    supervisor = supervised(instance)
    before = reported(instance).pid
    shown = instance.manage("services", "status", "--json")
    service = json.loads(shown.stdout)["services"][0]
    assert (shown.returncode, service["health"], service["pid"]) == (0, "healthy", before)

    unconfirmed = instance.manage("services", "restart", "coordinator")
    assert unconfirmed.returncode == 1
    assert "Stopping the coordinator leaves nodes without news" in unconfirmed.stderr

    restarted = instance.manage("services", "restart", "coordinator", "--yes", "--reason", "a test")
    assert restarted.returncode == 0, restarted.stderr
    assert re.search(r"^coordinator: restarted in \d+\.\d s\.$", restarted.stdout, re.MULTILINE)
    assert reported(instance).pid not in {None, before}

    stopped = instance.manage("services", "stop", "--all", "--yes")
    assert stopped.returncode == 0, stopped.stderr
    shown = instance.manage("services", "status")
    assert shown.returncode == 0
    assert re.search(r"^coordinator +STOPPED", shown.stdout, re.MULTILINE)
    assert supervisor.stop() == 0


def test_a_start_that_fails_is_told_in_words(instance: Instance, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        declare(instance, tmp_path, port=port)
        supervisor = instance.start("supervise")
        instance.wait_for(
            lambda: not supervisor.alive or reported(instance).state in {"BACKOFF", "FATAL"},
            30,
            "the supervisor finds the port taken",
        )
        shown = instance.manage("services", "status")
        assert shown.returncode == 3
        assert str(port) in shown.stdout
        failed = instance.manage("services", "start", "coordinator", "--timeout", "40")
    assert failed.returncode == 1
    assert "coordinator: " in failed.stderr
    assert str(port) in failed.stderr


def test_a_log_is_followed_until_ctrl_c(instance: Instance, tmp_path: Path) -> None:
    declare(instance, tmp_path, port=free_port())
    log = instance.data_dir / "logs" / "coordinator.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("one\ntwo\nthree\n", encoding="utf-8")
    follower = instance.start("services", "tail", "coordinator", "-n", "2", "-f")
    instance.wait_for(lambda: follower.output() == "two\nthree\n", 20, "the last lines are shown")
    with log.open("a", encoding="utf-8") as file:
        file.write("four\nfi")
        file.flush()
        instance.wait_for(lambda: "four\n" in follower.output(), 10, "a new line is shown")
        file.write("ve\n")
    instance.wait_for(lambda: follower.output().endswith("four\nfive\n"), 10, "the rest of the line is shown")
    log.rename(log.with_name("coordinator.log.1"))
    log.write_text("after the rotation\n", encoding="utf-8")
    instance.wait_for(lambda: "after the rotation\n" in follower.output(), 10, "the new file is followed")
    follower.signal(signal.SIGINT)
    assert follower.wait(10) == 0
    assert "Traceback" not in follower.output()


def test_a_reader_that_has_seen_enough_is_no_error(instance: Instance, tmp_path: Path) -> None:
    declare(instance, tmp_path, port=free_port())
    command = subprocess.Popen(
        [*MANAGE, "services", "export"],
        cwd=ROOT,
        env=instance.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout
    assert command.stderr
    command.stdout.close()
    errors = command.stderr.read().decode()
    command.stderr.close()
    assert (command.wait(20), errors) == (0, "")


def test_a_database_without_tables_is_said_plainly(tmp_path: Path) -> None:
    empty = Instance(tmp_path, database_url=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    done = empty.manage("services", "status")
    assert done.returncode == 1
    assert "The database could not be used: no such table" in done.stderr
    assert "has manage.py migrate been run?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("tail",)])
def test_bad_usage_is_exit_code_2_with_the_usage(instance: Instance, arguments: tuple[str, ...]) -> None:
    done = instance.manage("services", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: manage.py services")
