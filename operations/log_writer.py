"""The thread that stores what running operations say, a few times a second, for all of them together.

A thread, so that no handler ever waits for the database because of what it has to say.
"""

import logging
import threading
import time
from collections.abc import Iterable

from django.db import DatabaseError, InterfaceError, connection, connections, transaction

from medimgr.events.log import publish_all
from operations.lifecycle import fact
from operations.log_lines import AT_ONCE_LINES, OperationLog, open_logs
from operations.log_storing import store_along
from operations.models import Operation
from operations.states import Status

logger = logging.getLogger(__name__)

WRITE_SECONDS = 0.25
"""So long at least between two writes of one log, unless AT_ONCE_LINES wait."""
GATHER_SECONDS = 0.03
"""So long a first line waits for others."""
_LONGEST_PAUSE = 5.0
_QUIET_SECONDS = 1.0


def store(logs: Iterable[OperationLog]) -> None:
    """Store what waits of ``logs`` in one transaction with its events; close those that are held no more.

    Five statements at most beside one UPDATE for each. Raises the database's errors; nothing is lost then.
    """
    wanted = {log.operation: log for log in logs}
    with transaction.atomic():
        rows = Operation.objects.filter(pk__in=wanted, status=Status.RUNNING).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            # Whoever has locked one is about to store its lines along, or lets go of it in a moment.
            rows = rows.select_for_update(skip_locked=True)
        held = [row for row in rows if row.lease_token == wanted[row.pk].token]
        store_along(held)
        publish_all(map(fact, held))
    missing = wanted.keys() - {row.pk for row in held}
    if missing:
        running = Operation.objects.filter(pk__in=missing, status=Status.RUNNING)
        theirs = dict(running.values_list("pk", "lease_token"))
        for pk in missing:
            if theirs.get(pk) != wanted[pk].token:
                wanted[pk].close()


class LogWriter:
    """The thread of this process. It begins with the first line, and ends when no log is open any more."""

    def __init__(self) -> None:
        """Prepare; nothing runs before :meth:`ring`."""
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Have a look at the open logs. Never waits for the database."""
        self._bell.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="operation-log", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        failures = 0
        wait = 0.0
        while True:
            rung = self._bell.wait(wait if wait > 0 else _QUIET_SECONDS) if failures == 0 else False
            if failures:
                time.sleep(min(_LONGEST_PAUSE, WRITE_SECONDS * 2 ** min(failures - 1, 8)))
            self._bell.clear()
            try:
                wait = self._look()
                if failures:
                    logger.info("the logs of operations are stored again")
                failures = 0
            except Exception as error:
                if not isinstance(error, (DatabaseError, InterfaceError)):
                    logger.exception("The logs of operations could not be stored; trying again.")
                elif not failures:
                    logger.warning("The logs of operations wait for the database: %s", error)
                failures += 1
                connections.close_all()
                continue
            if wait <= 0 and not rung:
                connections.close_all()
                with self._lock:
                    if not self._bell.is_set() and not open_logs():
                        self._thread = None
                        return

    def _look(self) -> float:
        """Store what is due; return in how many seconds something else is, 0 for nothing."""
        now = time.monotonic()
        due: list[OperationLog] = []
        soonest = 0.0
        for log in open_logs():
            if not log.waiting:
                continue
            left = max(log.written_at + WRITE_SECONDS, log.begun_at + GATHER_SECONDS) - now
            if left <= 0 or log.waiting >= AT_ONCE_LINES:
                due.append(log)
            else:
                soonest = min(soonest or left, left)
        if due:
            for log in due:
                log.written_at = now
            store(due)
            if any(log.waiting for log in due):  # its row is locked at this moment
                soonest = min(soonest or WRITE_SECONDS, WRITE_SECONDS)
        return soonest


writer = LogWriter()
