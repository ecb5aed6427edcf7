"""The thread in which a process reports of itself, every few seconds, and stores what it has counted."""

import contextlib
import logging
import threading
from collections.abc import Iterator

from django.db import DatabaseError, InterfaceError, connection

from medimgr.tallies import gathering, process_report

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
END_SECONDS = 2.0
"""So long the end of a process waits for its last report; the thread dies with the process anyway."""


class Reporting(threading.Thread):
    """Reports until :meth:`end`. A database that is away is waited for; what was counted is kept."""

    def __init__(self, kind: str, node: str = "", *, every_seconds: float = EVERY_SECONDS) -> None:
        """Prepare; ``kind`` is one of ``process_report.KINDS``."""
        super().__init__(name="process-report", daemon=True)
        self._kind = kind
        self._node = node
        self._every = every_seconds
        self._ended = threading.Event()
        self._in_trouble = False

    def end(self) -> None:
        """Store what was counted last, take the report back, and end. Waits two seconds at most."""
        self._ended.set()
        if self.is_alive():
            self.join(END_SECONDS)

    def run(self) -> None:
        """Report at once and then every few seconds."""
        over = False
        while not over:
            over = self._ended.is_set()
            try:
                gathering.of_this_process.write()
                if over:
                    process_report.withdraw(self._node)
                else:
                    process_report.report(self._kind, self._node)
                self._in_trouble = False
            except (DatabaseError, InterfaceError) as error:
                if not self._in_trouble:
                    logger.warning("This process cannot report of itself; it tries again. %s", error)
                self._in_trouble = True
            except Exception:
                logger.exception("The report of this process failed; it tries again.")
            finally:
                # Not one more connection for each process between two reports.
                connection.close()
            if not over:
                self._ended.wait(self._every)


@contextlib.contextmanager
def reporting(kind: str, node: str = "") -> Iterator[None]:
    """Have this process report of itself as long as the block runs."""
    thread = Reporting(kind, node)
    thread.start()
    try:
        yield
    finally:
        thread.end()
