"""The sender of what a service says about itself: real sockets, nobody there, too much at once."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from medimgr.lib.service_notify import ServiceNotify


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        listening.settimeout(2)
        yield listening


@pytest.fixture
def teller(tmp_path: Path) -> Iterator[ServiceNotify]:
    one = ServiceNotify(str(tmp_path / "n"))
    yield one
    one.close()


def test_what_is_told_together_arrives_together(heard: socket.socket, teller: ServiceNotify) -> None:
    assert teller
    assert teller.tell("READY=1", "X_REQUESTS=12")
    assert heard.recv(100) == b"READY=1\nX_REQUESTS=12"


def test_whoever_listens_next_hears_the_next(
    heard: socket.socket, teller: ServiceNotify, tmp_path: Path
) -> None:
    assert teller.tell("READY=1")
    heard.close()
    assert not teller.tell("WATCHDOG=1"), "nobody is there, which is no error"
    (tmp_path / "n").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as successor:
        successor.bind(str(tmp_path / "n"))
        assert teller.tell("WATCHDOG=1")
        assert successor.recv(100) == b"WATCHDOG=1"


def test_a_listener_that_does_not_read_holds_nobody_up(heard: socket.socket, teller: ServiceNotify) -> None:
    told = [teller.tell("WATCHDOG=1") for _ in range(5000)]
    assert told[0]
    assert not told[-1], "what does not fit is dropped"


def test_an_address_without_a_file_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0medimgr-test-notify")
        teller = ServiceNotify("@medimgr-test-notify")
        assert teller.tell("READY=1")
        assert listening.recv(100) == b"READY=1"
        teller.close()


def test_without_a_socket_nothing_is_told_and_children_do_not_inherit_one() -> None:
    environment = {"NOTIFY_SOCKET": "/run/n", "PATH": "/bin"}
    with_one = ServiceNotify.from_environment(environment)
    assert with_one
    assert environment == {"PATH": "/bin"}
    with_one.close()
    without = ServiceNotify.from_environment(environment)
    assert not without
    assert not without.tell("READY=1")
