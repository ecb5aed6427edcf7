"""How long one thread waits for a workstation: until an end of our own, or until somebody cancels."""

import contextlib
import time
from collections.abc import Callable, Iterator

SLICE_SECONDS = 0.25
"""The longest that a wait goes on without a look at what cancels it."""


class TooLate(Exception):
    """The end has come, where nobody has said what that means."""


def nothing() -> None:
    """Cancel nothing: the check of who can't be cancelled."""


class Patience:
    """What all waits of one connection ask. Not for several threads."""

    def __init__(self, check: Callable[[], None] = nothing) -> None:
        """Take ``check``, which raises where the work is to stop."""
        self._check = check
        self._end = float("inf")
        self._late: Callable[[], Exception] = TooLate

    def go_on(self) -> None:
        """Return where waiting may go on. Raises what ``check`` raises, or what being late means now."""
        self._check()
        if time.monotonic() >= self._end:
            raise self._late()

    @property
    def left(self) -> float:
        """Return how many seconds are left."""
        return self._end - time.monotonic()

    @contextlib.contextmanager
    def until(self, end: float, late: Callable[[], Exception]) -> Iterator[None]:
        """Wait no longer than ``end`` (monotonic) in here, and raise ``late()`` then.

        An end that is already set and comes earlier stays, with its own meaning.
        """
        before = self._end, self._late
        if end < self._end:
            self._end, self._late = end, late
        try:
            yield
        finally:
            self._end, self._late = before

    @contextlib.contextmanager
    def tidying(self, seconds: float) -> Iterator[None]:
        """Have ``seconds`` for tidying up, whatever has ended or been cancelled; raises TooLate then."""
        before = self._end, self._late, self._check
        self._end, self._late, self._check = time.monotonic() + seconds, TooLate, nothing
        try:
            yield
        finally:
            self._end, self._late, self._check = before
