"""Connects to a workstation's listener, patiently."""

import errno
import os
import queue
import select
import socket
import threading
import time

from workstations.connect_failures import failed, silence, unknown_name, unresolved
from workstations.exceptions import ConnectionLost, RemoteFailure
from workstations.winrm.patience import SLICE_SECONDS, Patience, TooLate
from workstations.winrm.sockets import PatientSocket

CONNECT_SECONDS = 10.0

_Address = tuple[socket.AddressFamily, tuple[str | int, ...] | tuple[int, bytes]]


def dialled(host: str, port: int, patience: Patience) -> PatientSocket:
    """Return a connection to ``host``, each of its addresses tried; takes CONNECT_SECONDS at most.

    Raises Unreachable, Refused, UnknownHost, ConnectionLost or RemoteFailure, and what the patience raises.
    """
    seconds = min(CONNECT_SECONDS, max(patience.left, 0.0))
    end = time.monotonic() + seconds
    failure: RemoteFailure = silence(host, port, seconds)
    with patience.until(end, lambda: unresolved(host, seconds)):
        addresses = _resolved(host, port, patience)
    for number, (family, address) in enumerate(addresses):
        # What is left is shared among those to come: a dead first one must not take all of it.
        share = (end - time.monotonic()) / (len(addresses) - number)
        connection = PatientSocket(family, socket.SOCK_STREAM)
        connection.patience = patience
        try:
            _connect(connection, address, time.monotonic() + share, patience)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TooLate:
            connection.close()
            failure = silence(host, port, round(seconds, 1))
        except (ConnectionResetError, BrokenPipeError):
            connection.close()
            failure = ConnectionLost(
                f"{host} accepts connections on port {port}, but broke one off before anything was begun."
            )
        except OSError as error:
            connection.close()
            failure = failed(error, host, port, round(seconds, 1))
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


def _connect(
    connection: PatientSocket,
    address: tuple[str | int, ...] | tuple[int, bytes],
    end: float,
    patience: Patience,
) -> None:
    connection.setblocking(False)
    error = connection.connect_ex(address)
    if error == errno.EINPROGRESS:
        poller = select.poll()
        poller.register(connection, select.POLLOUT)
        with patience.until(end, TooLate):
            while not poller.poll(SLICE_SECONDS * 1000):
                patience.go_on()
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    connection.settimeout(None)


def _resolved(host: str, port: int, patience: Patience) -> list[_Address]:
    """Return the addresses of ``host``. Asked in a thread: nothing else bounds a name server."""

    def ask(flags: int) -> list[_Address]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, address) for family, _, _, _, address in found]

    try:
        return ask(socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass
    answers: queue.SimpleQueue[list[_Address] | Exception] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(ask(0))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=answer, name=f"resolve {host}", daemon=True).start()
    while True:
        try:
            found = answers.get(timeout=SLICE_SECONDS)
        except queue.Empty:
            patience.go_on()
            continue
        if isinstance(found, Exception):
            raise unknown_name(host)
        return found
