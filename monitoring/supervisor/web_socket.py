"""The listening socket that all web workers share. The supervisor holds it, so no connection is refused
while a worker is replaced.
"""

import errno
import fcntl
import ipaddress
import os
import socket
from collections.abc import Callable

from medimgr.lib.branches import NetworkProblem
from monitoring.supervisor.ports import Listener, listener_on
from monitoring.supervisor.socket_takeover import take_listening_socket

BACKLOG = 4096
"""Daphne's own 50 loses the connections of a storm of reconnecting pages."""
_FIRST_FD = 90


class CannotListen(NetworkProblem):
    """The address for the web server cannot be had."""

    code = "cannot-listen"
    status = 503
    remedy = "Stop the program that has the port, or take another with --bind; below 1024 it takes a right."


class WebSocket:
    """Bound at once, listening only from the first :meth:`listen` on.

    Where a web worker of a killed supervisor listens there, this becomes the same socket: no connection that
    waits in it is lost when that worker ends. Where the kernel does not let us have it, there are two sockets
    at the same address (SO_REUSEPORT). If this one listened too while no worker has it, the kernel would
    hand it connections that nobody answers.
    """

    def __init__(self, host: str, port: int, ours: Callable[[int], bool]) -> None:
        """Bind. ``ours`` says whether a pid is a web worker that was taken over. Raises CannotListen."""
        self.host = host
        left: int | None = None
        try:
            with self._socket() as probe:
                probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(_explain(error, host, port)) from error
            owner = listener_on(port)
            if owner is None or owner.pid is None or not ours(owner.pid):
                raise CannotListen(_taken(owner, host, port)) from error
            left = owner.pid
        taken = take_listening_socket(left, host, port) if left is not None else None
        self._bound = taken or self._new(port)
        self.port: int = self._bound.getsockname()[1]
        # Always the same number, since it is part of the workers' command.
        self.fd = fcntl.fcntl(self._bound.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_FD)

    def _new(self, port: int) -> socket.socket:
        made = self._socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            made.bind((self.host, port))
        except OSError as error:
            made.close()
            raise CannotListen(_explain(error, self.host, port)) from error
        return made

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made

    def listen(self) -> None:
        """Begin to accept connections into the backlog; again is as good as once. Raises OSError."""
        self._bound.listen(BACKLOG)

    def close(self) -> None:
        """Let go of the socket; workers that have it keep it."""
        self._bound.close()
        os.close(self.fd)


def address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[IPv6]:PORT`` or ``PORT``; the host without brackets.

    Raises ValueError with words for people.
    """
    host, _, port = text.rpartition(":")
    host = host or "127.0.0.1"
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no address. Write HOST:PORT, such as 127.0.0.1:8000.")
    if not (":" in host or "[" in host):
        return host, int(port)
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        raise ValueError(f"{text!r} is no address. Write [IPV6]:PORT, such as [::1]:8000.") from None
    if len(bare) != len(host) - 2:
        raise ValueError(f"{text!r}: an IPv6 address goes in brackets. Write [{bare}]:{port}.")
    return bare, int(port)


def written(host: str) -> str:
    """Return ``host`` as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def reached_by(host: str) -> str:
    """Return the host by which a server that listens on ``host`` is reached from this machine."""
    # It binds nothing: it says where to knock.
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # nosec B104


def _taken(owner: Listener | None, host: str, port: int) -> str:
    if owner is None:
        who = "another program"
    else:
        who = f"pid {owner.pid} ({owner.name})" if owner.pid else owner.name
    return f"Port {port} is taken by {who}. Stop that, or choose another: --bind {written(host)}:{port + 1}"


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EACCES:
        return f"Port {port} may be opened by root alone. Choose one above 1023: --bind {written(host)}:8000"
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{host} is not an address of this machine. Use 127.0.0.1, 0.0.0.0 or one of its addresses."
    if error.errno == errno.EADDRINUSE:
        return _taken(listener_on(port), host, port)
    return f"Cannot listen on {written(host)}:{port}: {error.strerror or error}."
