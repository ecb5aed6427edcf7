"""Runs demo services as the real processes that they are, on free ports, for the tests."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.running import ROOT, accepts_connections, free_port, wait_for

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo service."""

    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        method: str = "",
        headers: dict[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answered:
        """Ask over HTTP. A body that is bytes is sent as it is, anything else as JSON."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, content, headers or {})
            answer = connection.getresponse()
            return Answered(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def health(self) -> Any:
        return self.ask("/health").json

    def memory_mb(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1024 / 1024

    def end(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=10)


def eventually(condition: Callable[[], T], seconds: float = 15.0) -> T:
    """Return the first true answer of ``condition``; fail where there is none in time."""
    return wait_for(condition, seconds, "the demo services do what the test expects")


def run(module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a demo service that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", f"monitoring.demo.{module}"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@contextmanager
def demo(module: str, directory: Path, port: int = 0, **environment: str) -> Iterator[Demo]:
    """Run ``monitoring.demo.<module>`` until the block ends; it accepts connections when it begins."""
    port = port or free_port()
    log_path = directory / f"{module}-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"monitoring.demo.{module}"],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Demo(port, process, log_path)
    try:
        eventually(lambda: accepts_connections(port) or process.poll() is not None)
        assert process.poll() is None, running.log
        yield running
    finally:
        process.kill()
        process.wait(timeout=10)


@contextmanager
def network(directory: Path) -> Iterator[dict[str, Demo]]:
    """Run all seven, wired to each other and in a hurry."""
    names = ("coordinator", "blockchain", "incentive", "backend", "frontend", "ballots", "dashboard")
    ports = {name: free_port() for name in names}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    quick = {
        "COORDINATOR_URL": urls["coordinator"],
        "BLOCKCHAIN_URL": urls["blockchain"],
        "BACKEND_URL": urls["backend"],
        "BLOCK_SECONDS": "0.1",
        "DIFFICULTY": "8",
        "FOLLOW_SECONDS": "0.05",
        "SEAL_SECONDS": "0.05",
        "LOOK_SECONDS": "0.2",
        "WATCHED": " ".join(f"{name}={url}" for name, url in urls.items() if name != "dashboard"),
    }
    with ExitStack() as stack:
        yield {name: stack.enter_context(demo(name, directory, ports[name], **quick)) for name in names}
