"""A web worker tells how it is, and ends without a client noticing. Real processes, real sockets."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.medimgr.worker_process import WorkerProcess, listen
from tests.running import Instance, wait_for

Start = Callable[..., WorkerProcess]


@pytest.fixture
def start(instance: Instance) -> Iterator[Start]:
    workers: list[WorkerProcess] = []

    def one(listening: socket.socket | None = None, **variables: str) -> WorkerProcess:
        workers.append(WorkerProcess(instance, listening, **variables))
        return workers[-1].ready()

    yield one
    for worker in workers:
        worker.close()


class Asking(threading.Thread):
    """One request to a slow view, in a thread."""

    def __init__(self, worker: WorkerProcess, view: str) -> None:
        super().__init__()
        self._url = worker.url(f"/slow/{view}")
        self.answer: httpx.Response | None = None
        self.took = 0.0
        self.start()

    def begun(self, worker: WorkerProcess) -> "Asking":
        """Wait until the view has been reached."""
        wait_for(lambda: "begun" in worker.happened(), 5, "the view is reached", worker.said)
        return self

    def run(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(httpx.TransportError):
            self.answer = httpx.get(self._url, timeout=20)
        self.took = time.monotonic() - began

    def end(self) -> httpx.Response:
        self.join(20)
        assert self.answer is not None
        return self.answer


def test_it_reports_that_it_is_ready_alive_and_how_much_it_has_done(start: Start) -> None:
    worker = start()
    for _ in range(3):
        assert worker.get("/healthz").status_code == 200
    report = worker.report()
    assert {"READY=1", "WATCHDOG=1", "X_REQUESTS=3"} <= set(report)
    worker.terminate()
    assert worker.wait(5) == 0
    assert "STOPPING=1" in worker.report()
    assert worker.said() == ""


def test_it_finishes_what_it_has_before_it_ends(start: Start) -> None:
    worker = start()
    kept = httpx.Client()
    assert kept.get(worker.url("/healthz")).status_code == 200
    silent = socket.create_connection(("127.0.0.1", worker.port))
    slow = Asking(worker, "waiting/?seconds=1.5").begun(worker)
    worker.terminate()
    worker.no_longer_accepts()
    # A connection that has sent nothing yet is served, and so is one that is kept for more requests.
    silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = kept.get(worker.url("/healthz"))
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    said = silent.recv(4096)
    assert b"200 OK" in said
    assert b"Connection: close" in said
    assert slow.end().text == f"done by {worker.process.pid}"
    assert slow.end().headers["connection"] == "close"
    assert worker.wait(5) == 0
    silent.close()


def test_new_connections_wait_for_the_next_worker(start: Start) -> None:
    worker = start()
    slow = Asking(worker, "waiting/?seconds=1").begun(worker)
    worker.terminate()
    worker.no_longer_accepts()
    waiting = Asking(worker, "waiting/?seconds=0")
    assert worker.wait(5) == 0
    assert slow.end().status_code == 200
    successor = start(worker.listening)
    assert waiting.end().text == f"done by {successor.process.pid}"


def test_what_it_cannot_finish_in_time_gets_a_clear_error(start: Start) -> None:
    worker = start(MEDIMGR_WEB_DRAIN_SECONDS="1")
    slow = Asking(worker, "sleeping/?seconds=6").begun(worker)
    worker.terminate()
    answer = slow.end()
    assert answer.status_code == 503
    assert answer.json()["code"] == "server-restarting"
    assert answer.headers["retry-after"] == "1"
    assert slow.took < 4, "its answer does not wait for the thread of the view"
    worker.process.kill()


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    worker = start()
    slow = Asking(worker, "waiting/?seconds=8").begun(worker)
    worker.terminate()
    worker.no_longer_accepts()
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(5) == 0
    assert time.monotonic() - began < 3
    slow.join(10)
    assert slow.answer is None


def test_it_serves_on_ipv6(start: Start) -> None:
    worker = start(listen(socket.AF_INET6))
    assert worker.get("/healthz").status_code == 200
