"""Notices that somebody has set the clock, or that the machine was asleep.

Leases and deadlines are moments of the wall clock, since several processes have to agree on them. Where it
jumps, whoever holds something gives it new moments at once, and whoever would end what has expired
lets them do so first.
"""

import logging
import time

from django.utils import timezone

from operations import lifecycle

logger = logging.getLogger(__name__)

LEAST_SECONDS = 1.0
"""What is less is no jump: clocks are also corrected little by little."""


class ClockJumps:
    """How far the wall clock has moved against the one that only counts seconds."""

    def __init__(self) -> None:
        """Begin to watch."""
        self._offset = time.time() - time.monotonic()

    def seconds(self) -> float:
        """Return how far the clock was set since the last call, 0 where it was not; negative: back."""
        offset = time.time() - time.monotonic()
        jump = offset - self._offset
        if abs(jump) < LEAST_SECONDS:
            return 0.0
        self._offset = offset
        return jump


class CarefulReaper:
    """Ends what nobody carries out any more, but not in the moment after a jump of the clock."""

    def __init__(self, rest_seconds: float = lifecycle.LEASE_SECONDS) -> None:
        """Rest for so long after a jump, in which all that live renew their leases."""
        self._clock = ClockJumps()
        self._rest_seconds = rest_seconds
        self._resting_until = float("-inf")

    def reap(self, queue: str = "") -> int:
        """Do as :func:`operations.lifecycle.reap` does at this moment; 0 while it rests after a jump."""
        jump = self._clock.seconds()
        if jump:
            logger.warning(
                "the clock was set by %+.0f s; for %.0f s no operation is taken for lost",
                jump,
                self._rest_seconds,
            )
            self._resting_until = time.monotonic() + self._rest_seconds
        if time.monotonic() < self._resting_until:
            return 0
        return lifecycle.reap(timezone.now(), queue)
