"""A service is heard at a socket of its own, by its supervisor and the next; nobody else can speak there."""

import asyncio
import os
import pwd
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from monitoring.supervisor import notify_place
from monitoring.supervisor.notify import WINDOW_SECONDS, CannotListen, Notice, NotifyHub
from tests.monitoring.adapters.unprivileged import as_nobody, shared_directory
from tests.running import wait_for

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can open a socket for another user")
NOBODY = pwd.getpwnam("nobody").pw_uid


class Heard:
    """A hub and all that it has told."""

    def __init__(self, directory: Path) -> None:
        self.notices: list[tuple[str, Notice]] = []
        self.hub = NotifyHub(
            asyncio.get_running_loop(), directory, lambda key, notice: self.notices.append((key, notice))
        )

    async def until(self, condition: Callable[[], object], what: str) -> None:
        await asyncio.to_thread(wait_for, condition, 5, what, lambda: repr(self.notices))


@pytest_asyncio.fixture
async def heard(tmp_path: Path) -> AsyncIterator[Heard]:
    found = Heard(tmp_path / "notify")
    yield found
    found.hub.close()


def say(path: Path, *texts: str) -> None:
    """Send from a process of its own, as a service does; fails where it may not."""
    script = (
        "import socket, sys\n"
        "with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:\n"
        "    for text in sys.argv[2:]: s.sendto(text.encode(), sys.argv[1])\n"
    )
    run(script, path, *texts)


def run(script: str, path: Path, *arguments: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", script, str(path), *arguments]
    subprocess.run(command, check=True, timeout=20)


def sending_without_end(path: Path) -> "subprocess.Popen[bytes]":
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1])\n"
        "while True: s.send(b'STATUS=' + b'x' * 4000)\n"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(path)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


async def test_what_a_service_says_is_told_with_its_key(heard: Heard) -> None:
    backend, frontend = heard.hub.listen("backend", None), heard.hub.listen("frontend", None)
    assert backend != frontend
    await asyncio.to_thread(say, backend, "READY=1\nSTATUS=Serving")
    await asyncio.to_thread(say, frontend, "X_REQUESTS=12")
    await heard.until(lambda: len(heard.notices) == 2, "both are heard")
    assert heard.notices == [
        ("backend", Notice(ready=True, status="Serving")),
        ("frontend", Notice(requests=12)),
    ]


async def test_a_barrier_of_sd_notify_is_lifted(heard: Heard) -> None:
    path = heard.hub.listen("it", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.connect(os.fspath(path))
        readable, writable = os.pipe()
        # As sd_notify_barrier(3) does it: the descriptor that comes along is closed once it was received.
        socket.send_fds(service, [b"BARRIER=1"], [writable])
        os.close(writable)
        service.send(b"WATCHDOG=1")
        await heard.until(lambda: heard.notices, "it is heard")
        assert os.read(readable, 1) == b""
        os.close(readable)
    assert heard.notices == [("it", Notice(watchdog=True))]


async def test_a_successor_is_heard_at_the_same_place(tmp_path: Path) -> None:
    first = Heard(tmp_path / "notify")
    path = first.hub.listen("it", None)
    first.hub.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        with pytest.raises(ConnectionRefusedError):
            service.sendto(b"WATCHDOG=1", os.fspath(path))
        second = Heard(tmp_path / "notify")
        assert second.hub.listen("it", None) == path
        service.sendto(b"WATCHDOG=1", os.fspath(path))
        await second.until(lambda: second.notices, "it is heard")
    second.hub.close()


async def test_to_listen_again_changes_nothing_and_to_forget_removes_it(heard: Heard) -> None:
    path = heard.hub.listen("it", None)
    inode = path.stat().st_ino
    assert heard.hub.listen("it", None) == path
    assert path.stat().st_ino == inode
    heard.hub.forget("it")
    heard.hub.forget("it")
    assert list(path.parent.iterdir()) == []
    heard.hub.listen("it", None)
    path.unlink()
    assert heard.hub.listen("it", None).exists()


async def test_a_flood_keeps_nobody_from_being_heard_and_the_loop_quick(heard: Heard) -> None:
    flood, quiet = heard.hub.listen("flood", None), heard.hub.listen("quiet", None)
    sender = await asyncio.to_thread(sending_without_end, flood)
    try:
        await heard.until(lambda: heard.notices, "the flood has begun")
        begun, told, slowest = time.monotonic(), len(heard.notices), 0.0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
            service.sendto(b"READY=1", os.fspath(quiet))
            while ("quiet", Notice(ready=True)) not in heard.notices:
                turn = time.monotonic()
                await asyncio.sleep(0)
                slowest = max(slowest, time.monotonic() - turn)
                assert turn - begun < 5
        while time.monotonic() < begun + 0.5:
            turn = time.monotonic()
            await asyncio.sleep(0.001)
            slowest = max(slowest, time.monotonic() - turn)
        assert slowest < 0.25
        seconds = time.monotonic() - begun
        assert len(heard.notices) - told <= 3 + seconds / WINDOW_SECONDS
    finally:
        sender.kill()
        sender.wait()


async def test_much_that_is_said_at_once_is_told_together_and_nothing_is_lost(heard: Heard) -> None:
    path = heard.hub.listen("it", None)
    script = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(sys.argv[1])\n"
        "s.send(b'READY=1')\n"
        "for n in range(5001): s.send(b'X_REQUESTS=%d' % n)\n"
        "s.send(b'STATUS=done')\n"
    )
    await asyncio.to_thread(run, script, path)
    await heard.until(lambda: any(notice.status == "done" for _, notice in heard.notices), "all is heard")
    notices = [notice for _, notice in heard.notices]
    assert notices[0].ready
    assert sum(notice.ready for notice in notices) == 1
    counts = [notice.requests for notice in notices if notice.requests is not None]
    assert counts == sorted(counts)
    assert counts[-1] == 5000
    assert len(notices) < 500


async def test_garbage_is_passed_over(heard: Heard) -> None:
    path = heard.hub.listen("it", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        for datagram in (b"", b"\0" * 100, os.urandom(500), b"=" * 500, b"X_REQUESTS=" + b"9" * 9000):
            service.sendto(datagram, os.fspath(path))
        service.sendto(b"READY=1", os.fspath(path))
    await heard.until(lambda: heard.notices, "it is heard")
    assert heard.notices == [("it", Notice(ready=True))]


async def test_a_long_data_directory_or_key_is_no_obstacle(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 60] * 3)
    heard, again = Heard(deep), Heard(deep)
    key = "k" * 200
    path = heard.hub.listen(key, None)
    try:
        assert len(os.fsencode(path)) <= 107
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await asyncio.to_thread(say, path, "READY=1")
        await heard.until(lambda: heard.notices == [(key, Notice(ready=True))], "it is heard")
        assert again.hub.listen(key, None) == path
    finally:
        heard.hub.forget(key)
        again.hub.forget(key)
        path.parent.rmdir()


async def test_where_there_is_no_place_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotListen, match=r"file/notify cannot be made: Not a directory"):
        Heard(tmp_path / "file" / "notify").hub.listen("it", None)
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(CannotListen, match="not a directory that only this user can write to"):
        Heard(open_to_all).hub.listen("it", None)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(CannotListen, match="not a directory"):
        Heard(tmp_path / "link").hub.listen("it", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 100)))
    with pytest.raises(CannotListen, match="Choose a data directory with a shorter path"):
        Heard(tmp_path / ("d" * 200)).hub.listen("it", None)


@AS_ROOT
async def test_the_services_user_may_speak_and_a_stranger_may_not(heard: Heard) -> None:
    """The test's directory is closed to others, so its socket is made where they can get to."""
    path = heard.hub.listen("it", NOBODY)
    status = path.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (NOBODY, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711
    assert heard.hub.listen("it", NOBODY) == path
    ours = heard.hub.listen("ours", os.geteuid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        assert as_nobody(lambda: service.sendto(b"READY=1", os.fspath(path))) == "no error"
        assert as_nobody(lambda: service.sendto(b"READY=1", os.fspath(ours))) == "PermissionError"
        assert as_nobody((path.parent / "mine").touch) == "PermissionError"
    await heard.until(lambda: heard.notices, "it is heard")
    assert heard.notices == [("it", Notice(ready=True))]
    heard.hub.forget("it")
    path.parent.rmdir()


@AS_ROOT
async def test_a_data_directory_that_others_may_pass_serves_another_user_too() -> None:
    with shared_directory() as directory:
        directory.chmod(0o711)
        heard = Heard(directory / "notify")
        path = heard.hub.listen("it", NOBODY)
        assert path.parent == directory / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
            assert as_nobody(lambda: service.sendto(b"READY=1", os.fspath(path))) == "no error"
        # The same service is run as another user from now on.
        assert heard.hub.listen("it", os.geteuid()) == path
        assert path.stat().st_uid == os.geteuid()
        heard.hub.close()


def test_only_root_can_listen_to_another_user() -> None:
    with shared_directory() as directory:

        async def listen() -> None:
            Heard(directory / "notify").hub.listen("it", 12345)

        def try_it() -> None:
            (directory / "notify").mkdir()
            with pytest.raises(CannotListen, match="Only root can open one for another user"):
                asyncio.run(listen())

        assert as_nobody(try_it) == "no error"
    assert notify_place.socket_name("it") != notify_place.socket_name("It")
