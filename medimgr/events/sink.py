"""What a stream writes to: one client, behind whichever server."""

from typing import Protocol

from medimgr.events.cohort import Write


class Sink(Protocol):
    """Takes a stream's bytes on towards one client."""

    def write(self, chunk: bytes) -> None:
        """Hand bytes over without waiting. May pause the subscription; raises where the client is gone."""

    def write_raw(self, wire: bytes) -> None:
        """Hand over what is left of bytes that :meth:`direct` did not take, framed as they are."""

    def direct(self) -> Write | None:
        """Return how to write framed bytes to the socket at once; None while that is not possible."""

    def finish(self) -> None:
        """End the response once what was written is out. Cannot fail."""
