"""What a connect that failed says of a workstation, in words: pure, and shared by all that connect."""

import errno

from workstations.exceptions import ConnectFailed, Refused, RemoteFailure, UnknownHost, Unreachable
from workstations.states import Reachability

_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


def silence(host: str, port: int, seconds: float) -> Unreachable:
    """Return what to say where nobody has answered within ``seconds``."""
    return Unreachable(
        f"{host} did not answer on port {port} within {seconds:g} s. It is off, asleep, or a firewall drops "
        "the connection."
    )


def unknown_name(host: str) -> UnknownHost:
    """Return what to say where the name server does not know ``host``."""
    return UnknownHost(f"The name {host} is not known. Check its spelling and the name server.")


def unresolved(host: str, seconds: float) -> UnknownHost:
    """Return what to say where the name server has not answered within ``seconds``."""
    return UnknownHost(f"The name {host} was not resolved within {seconds:g} s. Check the name server.")


def failed(error: OSError, host: str, port: int, seconds: float) -> RemoteFailure:
    """Return what ``error`` of a connect means, and what to look at."""
    if isinstance(error, TimeoutError):
        return silence(host, port, seconds)
    if isinstance(error, ConnectionRefusedError):
        return Refused(
            f"{host} is up, but refuses connections on port {port}: WinRM does not listen there. "
            "Run 'winrm quickconfig' on it, or check the port."
        )
    if error.errno in _NO_ROUTE:
        return Unreachable(f"There is no route to {host}. Check its address and the network.")
    reason = error.strerror or type(error).__name__
    return ConnectFailed(f"Connecting to {host} on port {port} failed: {reason}.")


def is_ours(error: OSError) -> bool:
    """Return whether ``error`` says nothing of the workstation: it is this machine that lacks something."""
    return error.errno in _OUR_OWN


def status_after(failure: RemoteFailure) -> Reachability:
    """Return what a workstation is in that could not be connected to: offline, or error."""
    return Reachability.OFFLINE if isinstance(failure, Unreachable | Refused) else Reachability.ERROR
