"""On a real web worker: what is too large is refused while it comes in, what is too slow is given up."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.medimgr.worker_process import WorkerProcess
from tests.running import Instance, wait_for

SLOW_AFTER = 1.0
MB = 1_048_576


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[int]:
    """The port of a web worker that gives a request a second to arrive, and takes a megabyte."""
    with django_db_blocker.unblock():
        instance = Instance(tmp_path_factory.mktemp("arrival"))
        try:
            worker = WorkerProcess(
                instance, MEDIMGR_REQUEST_ARRIVAL_SECONDS=str(SLOW_AFTER), MEDIMGR_REQUEST_MAX_BODY_MB="1"
            )
            try:
                yield worker.ready().port
            finally:
                worker.close()
        finally:
            instance.close()


def connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 5)
    client.settimeout(10)
    return client


def read_all(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer, after which the connection has to end."""
    wire = b""
    while piece := client.recv(65536):
        wire += piece
    head, _, body = wire.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_a_length_that_is_too_large_is_refused_before_anything_is_sent(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10485760\r\n\r\n")
        status, headers, body = read_all(client)
    assert status == 413
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert json.loads(body)["code"] == "too-large"


def test_who_waits_for_leave_is_refused_it(port: int) -> None:
    with connected(port) as client:
        client.sendall(
            b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10485760\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert read_all(client)[0] == 413


@pytest.mark.parametrize(
    "path", ["/login/", "/api/services/x/start", "/events/disconnect/", "/events/", "/static/x"]
)
def test_ten_megabytes_without_a_length_are_refused_after_the_first(port: int, path: str) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with connected(port) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        client.setblocking(False)
        answer = b""

        def answered() -> bool:
            nonlocal answer
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                client.sendall(chunk)
            with contextlib.suppress(BlockingIOError):
                answer += client.recv(65536)
            return b"\r\n\r\n" in answer

        wait_for(answered, 10, "an answer")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_who_goes_on_sending_is_cut_off(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")

        def is_cut() -> bool:
            try:
                client.sendall(b"x" * 65536)
            except OSError:
                return True
            return False

        wait_for(is_cut, 10, "the end of the connection")


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /hea",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Name: ",
        b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
        b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
    ],
    ids=["line", "header", "body", "chunk"],
)
def test_a_request_that_drips_in_is_given_up(port: int, beginning: bytes) -> None:
    began = time.monotonic()
    with connected(port) as client:
        client.sendall(beginning)
        client.settimeout(0.1)
        answer = b""

        def answered() -> bool:
            nonlocal answer
            try:
                client.sendall(b"x")  # keeps any timeout for silence from passing
                answer += client.recv(65536)
            except TimeoutError:
                pass
            return b"\r\n\r\n" in answer

        wait_for(answered, 10, "an answer")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert SLOW_AFTER * 0.9 < time.monotonic() - began < SLOW_AFTER + 4


def test_a_request_that_is_there_in_time_is_answered_and_so_are_those_behind_it(port: int) -> None:
    with connected(port) as client:
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(3):
            client.sendall(request)
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            time.sleep(SLOW_AFTER * 0.6)  # a connection that waits for its next request is not slow
        client.sendall(request[:20])
        client.sendall(request[20:] + request)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 2:
            answer += client.recv(65536)


def test_a_body_of_just_the_right_size_arrives(port: int) -> None:
    with connected(port) as client:
        client.sendall(
            b"POST /events/disconnect/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % MB + b"x" * MB
        )
        assert read_all(client)[0] == 204


@pytest.mark.parametrize(
    "header",
    [
        b"X-Name: " + b"x" * 20_000,
        b"\r\n".join(b"X-%d: x" % number for number in range(600)),
        b"X-Name: a\0b",
    ],
    ids=["too long", "too many", "NUL"],
)
def test_headers_have_limits_too(port: int, header: bytes) -> None:
    with connected(port) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")
        # Of a line that is too long Twisted says nothing and closes.
        assert client.recv(65536)[:12] in {b"HTTP/1.1 400", b""}
