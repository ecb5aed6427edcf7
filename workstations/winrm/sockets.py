"""Sockets that wait in slices, so that a stalled workstation delays no cancel and no deadline.

A blocking read can't be told to stop, and a read timeout of HTTP's would cost the whole connection, with its
login. Here only the wait is cut: nothing is lost where it goes on.
"""

import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from workstations.winrm.patience import SLICE_SECONDS, Patience

T = TypeVar("T")


def _patiently(patience: Patience, attempt: Callable[[], T]) -> T:
    while True:
        try:
            return attempt()
        except TimeoutError:
            patience.go_on()


class PatientSocket(socket.socket):
    """A TCP connection that asks its patience while it waits."""

    patience: Patience

    def settimeout(self, _value: float | None) -> None:
        """Keep the slices; how long a wait may take is the patience's affair."""
        super().settimeout(SLICE_SECONDS)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Read what is there, waiting patiently. Raises what the patience raises."""
        return _patiently(self.patience, partial(super().recv_into, *args, **kwargs))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Write all, waiting patiently. Raises what the patience raises."""
        left = memoryview(data).cast("B")
        while left:
            left = left[_patiently(self.patience, partial(super().send, left, flags)) :]


class PatientContext(ssl.SSLContext):
    """TLS over patient sockets: 1.2 at least, the certificate verified, and the name in it."""

    patience: Patience

    @classmethod
    def trusting(cls, ca_certificates: str, patience: Patience) -> "PatientContext":
        """Return a context that trusts ``ca_certificates`` (PEM) alone; empty: what the system trusts.

        Raises ssl.SSLError or ValueError where they can't be read.
        """
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.patience = patience
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = PatientTlsSocket
        if ca_certificates.strip():
            context.load_verify_locations(cadata=ca_certificates)
            # The certificate itself may be given, without who has signed it.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        else:
            context.load_default_certs()
        return context


class PatientTlsSocket(ssl.SSLSocket):
    """A TLS connection that asks its context's patience while it waits."""

    @property
    def _patience(self) -> Patience:
        return cast(PatientContext, self.context).patience

    def settimeout(self, _value: float | None) -> None:
        """Keep the slices."""
        super().settimeout(SLICE_SECONDS)

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands, waiting patiently. Raises what the patience raises."""
        _patiently(self._patience, partial(super().do_handshake, block))

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Read what is there, waiting patiently. Raises what the patience raises."""
        return _patiently(self._patience, partial(super().recv_into, *args, **kwargs))

    def send(self, data: Any, flags: int = 0) -> int:
        """Write some, waiting patiently; ``sendall`` comes here, too. Raises what the patience raises."""
        return _patiently(self._patience, partial(super().send, data, flags))
