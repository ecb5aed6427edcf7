"""Tells the supervisor of this process how it is, in the manner of sd_notify(3). No thread, never waits.

The supervisor names a socket in NOTIFY_SOCKET; where there is none, nothing is told to nobody.
"""

import os
import socket
from collections.abc import MutableMapping

VARIABLE = "NOTIFY_SOCKET"


class ServiceNotify:
    """Sends datagrams to the supervisor, whichever listens at the time: it may have been replaced."""

    def __init__(self, address: str) -> None:
        """Take what NOTIFY_SOCKET says; empty for nobody. Raises OSError where no socket can be made."""
        # "@" is how an address without a file is written.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> "ServiceNotify":
        """Take the variable out of ``environment``: what this process starts is not to speak for it."""
        return cls(environment.pop(VARIABLE, ""))

    def __bool__(self) -> bool:
        """Return whether there is anybody to tell."""
        return self._socket is not None

    def tell(self, *assignments: str) -> bool:
        """Send ``assignments`` such as ``READY=1`` together; return whether somebody has taken them.

        Nobody listens for a moment while a supervisor is replaced, so tell again what has to be known.
        """
        if self._socket is None:
            return False
        try:
            self._socket.sendto("\n".join(assignments).encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
