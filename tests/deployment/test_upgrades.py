"""An upgrade as systemd does it with KillMode=process: the main process ends, all else lives on."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from monitoring.models import ServiceStatus
from monitoring.states import State
from tests.deployment.units import command, one
from tests.factories import make_service
from tests.running import ROOT, Instance, RunningProcess

TELL = """
import os, time
print("told at", os.environ.get("NOTIFY_SOCKET", "nowhere"), flush=True)
time.sleep(3600)
"""
HAND_DOWN = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"
"""Starts a command with the descriptor as its number 3, the first that systemd hands down."""


class Systemd:
    """The end of NOTIFY_SOCKET that systemd has."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "systemd.sock")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(0.05)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """Return all that was said since the last time."""
        found: list[str] = []
        try:
            while True:
                found += self._socket.recv(4096).decode().split("\n")
        except TimeoutError:
            self.heard += found
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(tmp_path)
    yield found
    found.close()


def start(instance: Instance, systemd: Systemd, unit: str) -> RunningProcess:
    """Start what the unit starts, and wait until it is what systemd calls active."""
    process = instance.start_command(command(unit), name=unit, NOTIFY_SOCKET=systemd.path)
    instance.wait_for(lambda: "READY=1" in systemd.listen(), 30, f"{unit} says that it is ready")
    return process


def running(instance: Instance) -> int:
    def pid() -> int:
        with instance.database():
            row = ServiceStatus.objects.get(service__key="sleeper")
            return (row.state == State.RUNNING and row.pid) or 0

    return instance.wait_for(pid, 20, "the service runs")


def test_services_keep_their_pids_through_a_restart_and_a_crash_of_the_unit(
    instance: Instance, systemd: Systemd
) -> None:
    with instance.database():
        make_service("sleeper", command=[sys.executable, "-c", TELL])
    first = start(instance, systemd, "medimgr-supervisor.service")
    pid = running(instance)
    began = psutil.Process(pid).create_time()

    # systemctl restart: SIGTERM to the main process alone.
    assert first.stop() == 0
    assert "STOPPING=1" in systemd.listen()
    second = start(instance, systemd, "medimgr-supervisor.service")
    assert running(instance) == pid

    # A crash, after which Restart=always starts it anew.
    second.signal(signal.SIGKILL)
    second.wait(10)
    third = start(instance, systemd, "medimgr-supervisor.service")
    assert running(instance) == pid
    assert psutil.Process(pid).create_time() == began

    # systemd is told that the loop turns, well within WatchdogSec.
    assert float(one("medimgr-supervisor.service", "Service", "WatchdogSec")) >= 10
    instance.wait_for(lambda: "WATCHDOG=1" in systemd.listen(), 6, "the watchdog is told")
    assert third.stop() == 0
    # What systemd listens at is the supervisor's alone.
    log = (instance.data_dir / "logs" / "sleeper.log").read_text()
    assert "told at nowhere" in log


class WebUnit:
    """medimgr-web@1 on the socket of medimgr-web.socket, which stays with this process as with systemd."""

    def __init__(self, instance: Instance, systemd: Systemd) -> None:
        self._instance, self._systemd = instance, systemd
        self._held = socket.create_server(
            ("127.0.0.1", 0), backlog=int(one("medimgr-web.socket", "Socket", "Backlog"))
        )
        self.port: int = self._held.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        held = self._held.fileno()
        with (self._instance.directory / "web.log").open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-c", HAND_DOWN, str(held), *command("medimgr-web@.service")],
                cwd=ROOT,
                env=self._instance.env | {"NOTIFY_SOCKET": self._systemd.path},
                pass_fds=[held],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        self._instance.wait_for(lambda: "READY=1" in self._systemd.listen(), 30, "the web worker is ready")

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(float(one("medimgr-web@.service", "Service", "TimeoutStopSec")))

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
        self._held.close()


def test_no_connection_is_refused_while_a_web_worker_is_replaced(
    instance: Instance, systemd: Systemd
) -> None:
    web = WebUnit(instance, systemd)
    answers: list[int] = []
    failures: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                answers.append(httpx.get(f"http://127.0.0.1:{web.port}/healthz", timeout=20).status_code)
            except httpx.HTTPError as error:
                failures.append(repr(error))

    asking = threading.Thread(target=ask)
    try:
        web.start()
        asking.start()
        instance.wait_for(lambda: len(answers) > 3, 20, "requests are answered")
        assert web.stop() == 0
        before = len(answers)
        web.start()
        instance.wait_for(lambda: len(answers) > before + 3, 20, "requests are answered again")
        ended.set()
        asking.join(30)
        assert web.stop() == 0
    finally:
        ended.set()
        if asking.is_alive():
            asking.join(30)
        web.close()
    assert failures == []
    assert set(answers) == {200}
