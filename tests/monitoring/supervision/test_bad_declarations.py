"""What cannot run says so in words that help, and troubles nobody else."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitoring.models import Node
from monitoring.supervisor.identity import MARKER_SUPERVISOR, supervisor_mark
from tests.monitoring.supervision.ward import Ward, sleeper
from tests.running import free_port


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"command": ["/no/such/program"]}, "/no/such/program"),
        ({"command": ["no-such-program-anywhere"]}, "no-such-program-anywhere"),
        ({"command": ["/etc/hostname"]}, "/etc/hostname is neither a program"),
        ({"command": sleeper(), "cwd": "/no/such/directory"}, "/no/such/directory"),
        ({"command": sleeper(), "user": "no-such-account"}, "no-such-account"),
    ],
    ids=["missing file", "missing program", "no program", "missing directory", "unknown user"],
)
def test_what_trying_again_cannot_mend_is_fatal_and_named(
    shared_ward: Ward, fields: dict[str, Any], words: str
) -> None:
    service = shared_ward.declare(**fields)
    status = shared_ward.reaches(service, "FATAL", reason="spawn-error")
    assert words in status.detail
    assert shared_ward.runs(service) == []


def test_a_mended_command_starts_without_being_asked(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["/no/such/program"])
    shared_ward.reaches(service, "FATAL")
    service.command = sleeper()
    service.save()
    assert shared_ward.reaches(service, "RUNNING").reason == "config"


def test_a_busy_port_is_named_with_its_owner_and_tried_again(shared_ward: Ward) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        service = shared_ward.declare(ports=[port], backoff_base_seconds=0.2, backoff_cap_seconds=0.2)
        status = shared_ward.reaches(service, "BACKOFF", reason="port-busy")
        assert f"Port {port}" in status.detail
        assert f"pid {os.getpid()}" in status.detail
        operation = shared_ward.act(service, "start")
        assert (operation.status, operation.error_code) == ("FAILED", "port-busy")
    shared_ward.reaches(service, "RUNNING")


LISTEN = (
    "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
)


def test_a_port_held_by_a_left_over_of_its_own_run_is_freed(shared_ward: Ward) -> None:
    """The left-over cleaned its traces but the marker, and was there before this supervisor."""
    port = free_port()
    left_over = subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(port)],
        env={
            "MEDIMGR_RUN_ID": "00000000-0000-0000-0000-000000000001",
            "MEDIMGR_SERVICE": "port-keeper",
            MARKER_SUPERVISOR: supervisor_mark(
                shared_ward.instance.env["MEDIMGR_NODE"], str(shared_ward.instance.data_dir)
            ),
        },
        start_new_session=True,
    )
    try:
        shared_ward.wait(lambda: _listens(port), "the left-over listens")
        service = shared_ward.declare("port-keeper", ports=[port], backoff_base_seconds=0.05)
        shared_ward.reaches(service, "RUNNING")
        assert left_over.wait(5) == -9
    finally:
        left_over.kill()
        left_over.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_stop_during_a_busy_port_ends_the_tries(shared_ward: Ward) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        service = shared_ward.declare(ports=[port], backoff_base_seconds=30.0)
        shared_ward.reaches(service, "BACKOFF")
        assert shared_ward.act(service, "stop").status == "SUCCESS"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tiny file system")
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_full_disk_under_the_logs_is_a_problem_of_the_node_and_stops_nothing(
    ward: Ward, tiny_disk: Path
) -> None:
    (ward.instance.data_dir / "logs").symlink_to(tiny_disk)
    chatty = ward.declare(command=["sh", "-c", "while :; do echo $(seq 2000); done 2>/dev/null"])
    ward.start()
    pid = ward.reaches(chatty, "RUNNING").pid
    ward.wait(lambda: "nearly full" in Node.objects.get().problem, "the node says so", timeout=20)
    late = ward.declare(backoff_base_seconds=0.05)
    ward.reaches(late, "RUNNING")
    assert ward.status(chatty).pid == pid
    ward.act(chatty, "stop", force=True)
    for file in tiny_disk.iterdir():
        file.unlink()
    ward.wait(lambda: not Node.objects.get().problem, "the problem is over", timeout=20)
