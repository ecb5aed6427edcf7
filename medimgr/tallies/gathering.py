"""Counts of one process that are on their way into the table: cheap to add to, from any thread.

The process's report (:mod:`medimgr.tallies.reporting`) writes them every few seconds. What a process had not
written yet when it was killed is lost; a counter that is a few seconds short never falls.
"""

import threading

from medimgr.tallies import counting
from medimgr.tallies.counting import Added


class Gathering:
    """A sum of what is to be added."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._added: Added = {}

    def add(self, *several: Added) -> None:
        """Take these along the next time. No query, and no waiting for one."""
        with self._lock:
            for one in several:
                for place, amount in one.items():
                    self._added[place] = self._added.get(place, 0.0) + amount

    def write(self) -> None:
        """Add all of it to the table: one statement, none where there is nothing. Raises the driver's errors.

        What could not be written is kept for the next time.
        """
        with self._lock:
            going, self._added = self._added, {}
        if not going:
            return
        try:
            counting.add(going)
        except BaseException:
            self.add(going)
            raise


of_this_process = Gathering()
