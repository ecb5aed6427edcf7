"""Whether a workstation's WinRM listener can be reached: one TCP connect, nothing sent."""

import queue
import socket
import threading
import time
from typing import NotRequired, TypedDict

from workstations.connect_failures import failed, silence, status_after, unknown_name, unresolved
from workstations.exceptions import RemoteFailure
from workstations.models import Workstation
from workstations.states import Reachability

TIMEOUT_SECONDS = 5.0

_Address = tuple[socket.AddressFamily, tuple[str | int, ...] | tuple[int, bytes]]


class ConnectionTest(TypedDict):
    """What a test found. ``error_message`` and ``error_code`` are there unless it connected."""

    connected: bool
    workstation_id: int
    workstation_name: str
    status: str
    """online: it connected. offline: nobody answered there. error: the test itself was not possible."""
    response_time_ms: float
    error_message: NotRequired[str]
    error_code: NotRequired[str]
    """That of Unreachable, Refused, UnknownHost or ConnectFailed."""


def test_connection(
    workstation: Workstation,
    timeout: float = TIMEOUT_SECONDS,  # noqa: PT028 (its name is the contract's; it is no pytest test)
) -> ConnectionTest:
    """Connect to the workstation's WinRM port and hang up; takes ``timeout`` seconds at most, name included.

    Never raises for what the network does. No query. Refused, no answer, no route and unknown names are
    told apart in ``error_message``, each with what to look at.
    """
    begin = time.monotonic()
    failure: RemoteFailure | None = None
    try:
        _connect(workstation.host, workstation.port, begin + timeout, timeout)
    except RemoteFailure as found:
        failure = found
    result: ConnectionTest = {
        "connected": failure is None,
        "workstation_id": workstation.pk,
        "workstation_name": workstation.name,
        "status": str(status_after(failure) if failure else Reachability.ONLINE),
        "response_time_ms": round((time.monotonic() - begin) * 1000, 1),
    }
    if failure is not None:
        result["error_message"] = failure.detail
        result["error_code"] = failure.code
    return result


def _connect(host: str, port: int, deadline: float, timeout: float) -> None:
    failure: RemoteFailure = silence(host, port, timeout)
    for family, address in _resolve(host, port, deadline, timeout):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(left)
                probe.connect(address)
            return
        except OSError as error:
            failure = failed(error, host, port, timeout)
    raise failure


def _resolve(host: str, port: int, deadline: float, timeout: float) -> list[_Address]:
    """Return the addresses of ``host``. Asked in a thread, since nothing else bounds a slow name server."""
    answers: queue.SimpleQueue[list[_Address] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, address) for family, _, _, _, address in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise unresolved(host, timeout) from None
    if isinstance(answer, Exception):
        raise unknown_name(host)
    return answer
