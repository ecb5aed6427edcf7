"""The load client tells the truth: it finds what is lost, doubled, refused, late and cut into pieces."""

import contextlib
import shutil
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.load_client import Load, LoadClient, build_load_client
from tests.running import wait_for

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the load client needs a C compiler")

Script = Callable[["Peer"], None]
"""What a server does with one stream."""


class Peer:
    """One stream of a server that does as a test says."""

    def __init__(self, line: socket.socket, number: int) -> None:
        self.line = line
        self.number = number
        self.request = b""
        while b"\r\n\r\n" not in self.request:
            self.request += line.recv(4096)

    def head(self, *fields: str, status: str = "200 OK") -> None:
        self.line.sendall("\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode())

    def chunk(self, data: bytes, pieces: int = 1) -> None:
        """Send a chunk of the body, in so many pieces that cannot arrive as one."""
        whole = b"%x\r\n%s\r\n" % (len(data), data)
        size = -(-len(whole) // pieces)
        for start in range(0, len(whole), size):
            self.line.sendall(whole[start : start + size])
            if pieces > 1:
                time.sleep(0.002)


def message(number: int, ago: float = 0.0) -> bytes:
    at = time.monotonic_ns() - int(ago * 1e9)
    return f'event: x\ndata: {{"mark":"~{number}:{at}~"}}\n\n'.encode()


@contextlib.contextmanager
def server(script: Script) -> Iterator[int]:
    """Serve each stream by ``script`` in a thread of its own; yield the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)
    lines: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(line: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            script(Peer(line, number))
            while line.recv(4096):  # until the client goes
                pass

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listening.accept()
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                lines.append(line)
                threads.append(threading.Thread(target=serve, args=(line, len(lines))))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(5)
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        for thread in threads:
            thread.join(5)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_load_client(tmp_path_factory.mktemp("load-client"))


def run(program: Path, port: int, connections: int = 5, **options: object) -> LoadClient:
    load = Load(port=port, path="/events/", connections=connections, deadline=10, **options)  # type: ignore[arg-type]
    return LoadClient(program, load)


CHUNKED = "Transfer-Encoding: chunked"


def test_a_message_that_reached_all_is_said_and_timed(program: Path) -> None:
    all_open = threading.Event()

    def script(peer: Peer) -> None:
        peer.head(CHUNKED)
        peer.chunk(b": hello\n\n")
        all_open.wait(10)
        peer.chunk(message(1, ago=0.2))

    with server(script) as port, run(program, port) as client:
        assert client.opened().opened == 5
        all_open.set()
        done = client.completed(5)
        assert done is not None
        assert done[0] == 1
        window = client.window()
    assert (window.deliveries, window.lost, window.doubled, window.behind) == (5, 0, 0, 0)
    assert 200 <= window.latency_ms[0] <= window.latency_ms[3] < 2000


def test_what_is_lost_doubled_or_missing_at_one_stream_is_found(program: Path) -> None:
    all_open = threading.Event()

    def script(peer: Peer) -> None:
        peer.head(CHUNKED)
        peer.chunk(b": hi\n\n")
        all_open.wait(10)
        if peer.number == 1:
            numbers = [1, 2, 2, 5]  # one doubled, two lost
        elif peer.number == 2:
            numbers = [1, 2]  # not the rest
        else:
            numbers = [1, 2, 3, 4, 5]
        for number in numbers:
            peer.chunk(message(number))

    with server(script) as port, run(program, port) as client:
        client.opened()
        all_open.set()
        assert client.completed(5) is not None
        assert client.completed(5) is not None
        assert client.completed(0.5) is None  # the third did not reach all
        window = client.window()
    assert (window.lost, window.doubled, window.behind, window.deliveries) == (2, 1, 1, 20)


def test_a_message_in_many_pieces_is_one(program: Path) -> None:
    all_open = threading.Event()

    def script(peer: Peer) -> None:
        peer.head(CHUNKED)
        peer.chunk(b": hi\n\n", pieces=3)
        all_open.wait(10)
        for number in range(1, 6):
            peer.chunk(message(number), pieces=40)

    with server(script) as port, run(program, port, connections=2) as client:
        client.opened()
        all_open.set()
        for number in range(1, 6):
            done = client.completed(5)
            assert done is not None
            assert done[0] == number
        assert client.window().lost == 0


def test_compressed_streams_are_read_and_counted_both_ways(program: Path) -> None:
    def script(peer: Peer) -> None:
        assert b"Accept-Encoding: gzip" in peer.request
        peer.head(CHUNKED, "Content-Encoding: gzip")
        zipped = zlib.compressobj(wbits=31)
        for number in range(1, 4):
            data = message(number) + b": " + b"x" * 5000 + b"\n\n"
            peer.chunk(zipped.compress(data) + zipped.flush(zlib.Z_FULL_FLUSH))

    with server(script) as port, run(program, port, gzip=True) as client:
        client.opened()
        wait_for(lambda: client.window().deliveries == 15, 5, "all messages")
        window = client.window()
    assert window.deliveries == 15
    assert window.body_bytes > 15 * 5000 > 4 * window.bytes


def test_refused_and_unanswered_streams_are_no_open_ones(program: Path) -> None:
    def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.head("Content-Length: 0", status="429 Too Many Requests")
        elif peer.number == 2:
            peer.line.shutdown(socket.SHUT_RDWR)
        elif peer.number > 3:
            peer.head()
            peer.line.sendall(b": until the end\n\n")

    with server(script) as port:
        load = Load(port=port, path="/", connections=5, deadline=1.0)
        with LoadClient(program, load) as client:
            opened = client.opened()
    assert (opened.opened, opened.refused, opened.failed, opened.waiting) == (2, 1, 1, 1)
    assert opened.statuses == {"200": 2, "429": 1}


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_streams_go_as_they_are_told_to(program: Path, how: str) -> None:
    seen: list[str] = []

    def script(peer: Peer) -> None:
        peer.head(CHUNKED)
        peer.chunk(b": hi\n\n")
        try:
            assert peer.line.recv(10) == b""
            seen.append("fin")
        except ConnectionResetError:
            seen.append("rst")

    with server(script) as port, run(program, port, connections=3) as client:
        client.opened()
        went = client.close_some(2, how, 5)
        assert client.window().open == 1
        assert went[1] - went[0] >= 5_000_000
    assert sorted(seen) == sorted([how, how, "fin"])  # the third goes with the client


def test_a_stuck_client_reads_no_more(program: Path) -> None:
    taken = threading.Event()
    ended = threading.Event()

    def script(peer: Peer) -> None:
        peer.head(CHUNKED)
        peer.chunk(b": hi\n\n")
        peer.line.settimeout(1.0)
        try:
            for _ in range(1000):
                peer.chunk(b"x" * 100_000)
            taken.set()
        except TimeoutError:
            peer.line.close()
        ended.set()

    with server(script) as port, run(program, port, connections=1, stuck=True) as client:
        client.opened()
        assert ended.wait(20)
        assert not taken.is_set()
        assert client.window().body_bytes < 300_000  # one read, made before it knew that it had begun
