"""When a web worker looks for garbage: seldom, and never among what has been there for long.

Python looks at every object every now and then, which takes 20 ms and more with a thousand streams open, and
every message of that moment is as late. So what has survived a look is set aside (``gc.freeze``), which makes
the next one short. What is set aside and let go of is freed all the same, unless it is part of a cycle, as
streams that have ended are: when enough of those have come together, everything is looked at once.
"""

import asyncio
import gc
import time
from collections.abc import Callable

LOOK_SECONDS = 2.0
THOROUGH_SECONDS = 3600.0
LEAST_ENDED = 500
"""So many ended streams, at some 20 KiB each, are worth a pause."""
_NEVER = 1_000_000


class Garbage:
    """Takes Python's looks at everything into its own hands, for this process."""

    def __init__(self, ended: Callable[[], int]) -> None:
        """``ended`` tells how many streams have ended since the process began."""
        self._ended = ended
        self._ended_then = 0
        self._thorough_at = time.monotonic()

    def begin(self) -> None:
        """Set aside what is there. The young go on being looked at as always."""
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        gc.collect()
        gc.freeze()

    async def look_on(self) -> None:
        """Look every other second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Look once: at what is new, or where it is time for that, at everything."""
        if self._is_time():
            self._ended_then, self._thorough_at = self._ended(), time.monotonic()
            gc.unfreeze()
        gc.collect()
        gc.freeze()

    def _is_time(self) -> bool:
        since = time.monotonic() - self._thorough_at
        return self._ended() - self._ended_then >= LEAST_ENDED or since >= THOROUGH_SECONDS
