"""Whether a workstation's WinRM listener can be reached: one TCP connect, nothing sent."""

import errno
import queue
import socket
import threading
import time
from typing import NotRequired, TypedDict

from workstations.models import Workstation
from workstations.states import Reachability

TIMEOUT_SECONDS = 5.0
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})

_Address = tuple[socket.AddressFamily, tuple[str | int, ...] | tuple[int, bytes]]


class ConnectionTest(TypedDict):
    """What a test found. ``error_message`` is there unless it connected."""

    connected: bool
    workstation_id: int
    workstation_name: str
    status: str
    """online: it connected. offline: nobody answered there. error: the test itself was not possible."""
    response_time_ms: float
    error_message: NotRequired[str]


class _Failure(Exception):
    def __init__(self, status: Reachability, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def test_connection(
    workstation: Workstation,
    timeout: float = TIMEOUT_SECONDS,  # noqa: PT028 (its name is the contract's; it is no pytest test)
) -> ConnectionTest:
    """Connect to the workstation's WinRM port and hang up; takes ``timeout`` seconds at most, name included.

    Never raises for what the network does. No query. Refused, no answer, no route and unknown names are
    told apart in ``error_message``, each with what to look at.
    """
    begin = time.monotonic()
    failure: _Failure | None = None
    try:
        _connect(workstation.host, workstation.port, begin + timeout, timeout)
    except _Failure as found:
        failure = found
    result: ConnectionTest = {
        "connected": failure is None,
        "workstation_id": workstation.pk,
        "workstation_name": workstation.name,
        "status": str(failure.status if failure else Reachability.ONLINE),
        "response_time_ms": round((time.monotonic() - begin) * 1000, 1),
    }
    if failure is not None:
        result["error_message"] = failure.message
    return result


def _connect(host: str, port: int, deadline: float, timeout: float) -> None:
    offline = Reachability.OFFLINE
    silence = _Failure(
        offline,
        f"{host} did not answer on port {port} within {timeout:g} s. It is off, asleep, or a firewall drops "
        "the connection.",
    )
    failure = silence
    for family, address in _resolve(host, port, deadline, timeout):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.settimeout(left)
                probe.connect(address)
            return
        except TimeoutError:
            failure = silence
        except ConnectionRefusedError:
            failure = _Failure(
                offline,
                f"{host} is up, but refuses connections on port {port}: WinRM does not listen there. "
                "Run 'winrm quickconfig' on it, or check the port.",
            )
        except OSError as error:
            if error.errno in _NO_ROUTE:
                failure = _Failure(
                    offline, f"There is no route to {host}. Check its address and the network."
                )
            else:
                reason = error.strerror or type(error).__name__
                failure = _Failure(
                    Reachability.ERROR,
                    f"Connecting to {host} on port {port} failed: {reason}.",
                )
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
    unknown = Reachability.ERROR
    try:
        answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        message = f"The name {host} was not resolved within {timeout:g} s. Check the name server."
        raise _Failure(unknown, message) from None
    if isinstance(answer, Exception):
        raise _Failure(unknown, f"The name {host} is not known. Check its spelling and the name server.")
    return answer
