"""A probe says in words what it found, in time, and leaves no socket behind."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from monitoring.states import HealthKind
from monitoring.supervisor.commands import CommandRunner
from monitoring.supervisor.name_lookup import NameLookup
from monitoring.supervisor.probes import Asked, ProbeResult
from monitoring.supervisor.probes import probe as probe_once
from monitoring.supervisor.spec import HealthCheck, ServiceSpec
from tests.running import free_port, wait_for

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def probe(check: HealthCheck) -> ProbeResult:
    """Probe a service that needs no more than the check."""
    loop = asyncio.get_running_loop()
    commands = CommandRunner(loop, node="n1", data_dir="/")
    return await probe_once(check, Asked(ServiceSpec("it", "It", ("it",)), "run", commands, NameLookup(loop)))


@pytest.fixture(autouse=True)
async def no_socket_is_left() -> AsyncIterator[None]:
    before = _sockets()
    yield
    await asyncio.to_thread(wait_for, lambda: _sockets() <= before, 2, "every socket is closed")


def _sockets() -> int:
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


@contextlib.asynccontextmanager
async def serving(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve on a free port and yield it; afterwards end every connection that is still open."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(data: bytes, *, then_wait: bool = False) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if then_wait:
            await asyncio.sleep(60)  # longer than any probe waits

    return answer


async def http(answer: Answer, path: str = "/health", within: float = 1.0) -> ProbeResult:
    async with serving(answer) as port:
        url = f"http://127.0.0.1:{port}{path}"
        return await probe(HealthCheck(HealthKind.HTTP, url=url, timeout=within))


@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"302 Found", b"399 Odd", b"200"])
async def test_an_answer_up_to_399_is_healthy(status: bytes) -> None:
    result = await http(saying(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"))
    assert (result.ok, result.hung) == (True, False)
    assert result.detail.startswith(f"answered {status[:3].decode()}")


@pytest.mark.parametrize("status", [b"400 Bad", b"404 Not Found", b"500 Oops", b"503 Down"])
async def test_an_answer_from_400_is_not(status: bytes) -> None:
    result = await http(saying(b"HTTP/1.1 " + status + b"\r\n\r\nsecret words"))
    assert (result.ok, result.hung) == (False, False)
    assert result.detail.startswith(f"answered {status[:3].decode()}")
    assert "secret" not in result.detail


async def test_the_request_is_what_a_server_expects() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    result = await http(answer, path="/häß?full=1&x=a%20b#part")
    assert result.ok, result.detail
    lines = seen[0].decode("ascii").split("\r\n")
    assert lines[0] == "GET /h%C3%A4%C3%9F?full=1&x=a%20b HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert "Connection: close" in lines
    assert "User-Agent: medimgr-probe" in lines


async def test_an_interim_answer_is_not_the_answer() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 No\r\n\r\n"
    assert (await http(saying(data))).detail == "answered 500 Internal Server Error"


async def test_endless_interim_answers_end_the_probe() -> None:
    assert "interim" in (await http(saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100))).detail


async def test_a_refused_connection_says_so() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    result = await probe(HealthCheck(HealthKind.HTTP, url=url))
    assert (result.ok, result.hung, result.detail) == (False, False, "connection refused")


async def test_one_that_accepts_and_never_answers_is_hung() -> None:
    started = time.monotonic()
    result = await http(saying(b"", then_wait=True), within=0.3)
    assert (result.ok, result.hung) == (False, True)
    assert result.detail == "accepted but did not answer within 0.3 s"
    assert 0.3 <= result.seconds <= time.monotonic() - started < 2


async def test_one_whose_backlog_accepts_is_hung_too() -> None:
    """A stopped process: the kernel accepts for it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        result = await probe(HealthCheck(HealthKind.HTTP, url=url, timeout=0.2))
    assert result.hung


async def test_one_that_drips_its_first_line_is_hung() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in b"HTTP/1.1 200 OK" * 100:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    result = await http(answer, within=0.3)
    assert (result.ok, result.hung) == (False, True)


async def test_a_body_without_end_does_not_matter() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    started = time.monotonic()
    result = await http(answer, within=5)
    assert result.ok
    assert time.monotonic() - started < 2


async def test_a_server_that_holds_the_connection_open_costs_little() -> None:
    result = await http(saying(b"HTTP/1.1 200 OK\r\n\r\n", then_wait=True), within=5)
    assert result.ok
    assert result.seconds < 0.2


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff\x16\x03\r\n",
        b"x" * 100_000,
        b"HTTP/1.1 abc\r\n",
        b"HTTP/1.1 99 X\r\n",
    ],
)
async def test_garbage_is_called_garbage(data: bytes) -> None:
    result = await http(saying(data))
    assert (result.ok, result.hung) == (False, False)
    assert result.detail == "answered something that is not HTTP"


async def test_one_that_closes_at_once_says_so() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    result = await http(answer)
    assert (result.ok, result.hung) == (False, False)
    assert result.detail == "closed the connection without an answer"


@pytest.mark.parametrize(
    "url", ["", "https://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "http://[::1", "http://a..b/"]
)
async def test_a_url_that_cannot_be_probed_is_an_answer_too(url: str) -> None:
    result = await probe(HealthCheck(HealthKind.HTTP, url=url, timeout=1.0))
    assert not result.ok
    assert result.detail


async def test_a_host_that_is_not_known_says_so() -> None:
    result = await probe(HealthCheck(HealthKind.HTTP, url="http://nowhere.invalid/", timeout=5.0))
    assert not result.ok
    assert "not known" in result.detail or "within" in result.detail


async def test_tcp_is_healthy_where_something_accepts() -> None:
    async with serving(saying(b"")) as port:
        result = await probe(HealthCheck(HealthKind.TCP, port=port))
    assert (result.ok, result.detail) == (True, "accepts connections")


async def test_tcp_is_not_healthy_where_nothing_listens() -> None:
    result = await probe(HealthCheck(HealthKind.TCP, port=free_port()))
    assert (result.ok, result.hung, result.detail) == (False, False, "connection refused")


async def test_tcp_that_does_not_accept_in_time_says_so() -> None:
    with socket.socket() as listening, contextlib.ExitStack() as crowd:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(3):  # the backlog is full now
            client = crowd.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        result = await probe(HealthCheck(HealthKind.TCP, port=address[1], timeout=0.3))
    assert (result.ok, result.hung, result.detail) == (False, False, "did not accept within 0.3 s")


async def test_no_check_is_always_fine() -> None:
    assert (await probe(HealthCheck())).ok


async def test_a_probe_can_be_cancelled_at_any_moment() -> None:
    async with serving(saying(b"", then_wait=True)) as port:
        url = f"http://127.0.0.1:{port}/"
        for delay in (0.0, 0.0005, 0.001, 0.005, 0.05):
            task = asyncio.create_task(probe(HealthCheck(HealthKind.HTTP, url=url, timeout=5.0)))
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_many_probes_at_once_are_all_answered() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        check = HealthCheck(HealthKind.HTTP, url=f"http://127.0.0.1:{port}/", timeout=20.0)
        for _ in range(5):
            results = await asyncio.gather(*(probe(check) for _ in range(80)))
            assert all(result.ok for result in results)
