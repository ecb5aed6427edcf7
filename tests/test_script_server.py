"""script/server in a fresh clone: from nothing to a page, and away again with one Ctrl-C."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cloning import git, give_packages, make_clone, newcomers_environment
from tests.running import free_port, wait_for

SERVICE = """
[services.sleeper]
name = "Sleeper"
command = ["sleep", "600"]
start_seconds = 0.1
"""


class Server:
    """``script/server`` under way in a clone."""

    def __init__(self, clone: Path, services: Path) -> None:
        self.port = free_port()
        self.clone = clone
        self.output = services.with_suffix(".log")
        with self.output.open("wb") as sink:
            self.popen = subprocess.Popen(
                [clone / "script/server", "--bind", f"127.0.0.1:{self.port}", "--services", services],
                cwd="/",
                env=newcomers_environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def tree(self) -> list[psutil.Process]:
        """Return the process and all that it has started."""
        root = psutil.Process(self.popen.pid)
        return [root, *root.children(recursive=True)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    clone = make_clone(tmp_path / "clone")
    give_packages(clone)
    services = tmp_path / "services.toml"
    services.write_text(SERVICE)
    started = Server(clone, services)
    known: list[psutil.Process] = []
    try:
        wait_for(lambda: started.ready() or started.popen.poll() is not None, 60, "it serves", started.said)
        known = started.tree() if started.popen.poll() is None else []
        yield started
    finally:
        for process in known:
            if process.is_running():
                process.kill()
        started.popen.kill()
        started.popen.wait(10)


def test_one_command_leads_to_a_page_and_one_ctrl_c_away_from_it(server: Server) -> None:
    assert server.popen.poll() is None, server.said()
    url = f"http://127.0.0.1:{server.port}"
    wait_for(lambda: url in server.said(), 15, "it says where the page is", server.said)
    assert re.search(r"password:\s+\S{24}", server.said())
    wait_for(lambda: any("sleep" in p.name() for p in server.tree()), 15, "the service runs", server.said)
    processes = server.tree()

    server.popen.send_signal(signal.SIGINT)
    wait_for(lambda: server.popen.poll() is not None, 30, "it ends", server.said)
    assert server.popen.returncode == 0, server.said()
    gone = [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert gone == []
    assert "Traceback" not in server.said()
    assert git(server.clone, "status", "--porcelain") == ""
