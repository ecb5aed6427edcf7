"""Tells web workers that are gone from those that could not write.

Who has not renewed its lease may be dead; where the database was away, or the whole machine asleep, nobody
could renew it. So a lease has run out only once it stays so while this process watches.
"""

import threading
import time
from collections.abc import Mapping
from datetime import datetime

WATCH_SECONDS = 10.0
"""Two renewals: whoever lives has written by then."""
GAP_SECONDS = 10.0
"""Who has not looked for so long cannot say what was possible meanwhile. Looks are 5 s apart at most."""


class Watch:
    """What one process has seen of leases that ran out. May be used by several threads."""

    def __init__(self) -> None:
        """Begin without having seen anything."""
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._since: dict[int, tuple[datetime, float]] = {}

    def gone(self, unseen: Mapping[int, datetime]) -> set[int]:
        """Return which of the workers have stayed ``unseen`` for long enough; no query.

        They are given by their keys, with the time at which each was last seen.
        """
        now = time.monotonic()
        with self._lock:
            if now - self._looked_at > GAP_SECONDS:
                self._since.clear()
            self._looked_at = now
            before = self._since
            self._since = {
                worker: before[worker] if before.get(worker, (None,))[0] == seen_at else (seen_at, now)
                for worker, seen_at in unseen.items()
            }
            return {worker for worker, (_, since) in self._since.items() if now - since >= WATCH_SECONDS}


of_this_process = Watch()
