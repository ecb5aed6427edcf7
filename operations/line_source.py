"""An operation's log on a page's stream: ``?operation_log=<id>``; ``&operation_log_after=<line>`` goes on.

The event log tells when there are new lines, so nothing is asked of the database without need, and what
is read is read once for all who watch.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import Model

from medimgr.events import frames
from medimgr.events.sources import Outlet
from medimgr.lib.access import demand
from operations.exceptions import OperationGone
from operations.log_looks import MESSAGE, Look, look
from operations.models import Operation
from operations.states import ACTIVE

logger = logging.getLogger(__name__)

LAGGING_SECONDS = 0.2
"""So often a client that has not taken what it was sent is looked at again."""
AWAY_SECONDS = 2.0
"""So long after a failed look the next one, more or less."""


def open_operation_log(user: Any, value: str, parameters: Mapping[str, str]) -> "OperationLogSource":
    """Return the source for the log of the operation ``value``. One query, and one for permissions.

    Raises NotAllowed and OperationGone.
    """
    demand(user, "view", Operation)
    number = _number(value)
    if number is None or not Operation.objects.visible_to(user).filter(pk=number).exists():
        raise OperationGone(
            f"There is no operation {value[:40]!r}. Finished operations are deleted after a time."
        )
    return OperationLogSource(number, _number(parameters.get("operation_log_after")) or 0)


class OperationLogSource:
    """Follows the log of one operation for one stream, until the operation has ended and all is told."""

    name = "operation_log"
    rights: frozenset[tuple[str, type[Model]]] = frozenset({("view", Operation)})

    def __init__(self, operation: int, after: int = 0) -> None:
        """Begin behind line ``after``."""
        self._operation = operation
        self._last = after
        self._status = ""
        self._log_lines = 0
        self._news = asyncio.Event()

    async def run(self, outlet: Outlet) -> None:
        """See :class:`medimgr.events.sources.Source`. Queries in threads, and only where there is news."""
        first = True
        # Before the first look: what is stored after it is heard of.
        with outlet.ears.listening("operation", str(self._operation), self._heed):
            self._news.set()
            while True:
                await self._news.wait()
                self._news.clear()
                while outlet.is_lagging:  # noqa: ASYNC110  (nobody tells when it is not any more)
                    await asyncio.sleep(LAGGING_SECONDS)
                try:
                    seen = await look(Look(self._operation, self._last, self._status, self._log_lines))
                except OperationGone as gone:
                    outlet.send(frames.message(MESSAGE, self._nothing() | {"problem": gone.detail}))
                    return
                except (DatabaseError, InterfaceError) as error:
                    # The page is told by the stream's heartbeats that the database is away.
                    logger.info("the log of operation %d cannot be read now: %s", self._operation, error)
                    await asyncio.sleep(AWAY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
                    self._news.set()
                    continue
                if first or not seen.empty or seen.complete:
                    outlet.send(seen.message)
                first = False
                self._last = seen.last
                if seen.complete:
                    return
                if seen.last < max(seen.log_lines, self._log_lines):
                    self._news.set()

    def _heed(self, data: Mapping[str, Any]) -> None:
        """Take an event about the operation. Called in the loop."""
        self._status = str(data.get("status", ""))
        self._log_lines = int(data.get("log_lines", 0))
        if self._log_lines > self._last or self._status not in ACTIVE:
            self._news.set()

    def _nothing(self) -> dict[str, Any]:
        return {
            "operation": self._operation,
            "lines": [],
            "last": self._last,
            "log_lines": self._last,
            "complete": True,
        }


def _number(text: str | None) -> int | None:
    """Return a whole number that the database can compare with, None for anything else."""
    if text and text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text)
    return None
