"""The operations of one node's queue, as their supervisor holds them. Used on the store's thread alone."""

import logging
from dataclasses import dataclass

from django.utils import timezone

from medimgr.lib.log_context import working_on
from monitoring.supervisor.records import HANDED_OVER, HANDED_OVER_DETAIL, Finish, Note, Order, Progress
from operations import lifecycle
from operations.clock_jumps import CarefulReaper, ClockJumps
from operations.exceptions import LeaseLost
from operations.log_lines import OperationLog
from operations.models import Operation
from operations.registry import node_queue
from operations.states import Status

log = logging.getLogger(__name__)
_CLAIM_LIMIT = 64


@dataclass(slots=True)
class _Log:
    """The log of an operation, and how far it has been written."""

    lines: OperationLog
    said: int = 0
    """The number of the last step that it holds."""
    ended: bool = False
    """It says how the operation ended."""


class OperationRows:
    """Claims, follows and ends operations. Every method queries the database."""

    def __init__(self, node: str, owner: str) -> None:
        """``owner`` names this supervisor in the leases."""
        self._queue = node_queue(node)
        self._owner = owner
        self._held: dict[int, Operation] = {}
        self._logs: dict[int, _Log] = {}
        self._cancels_told: set[int] = set()
        self._clock = ClockJumps()
        self._reaper = CarefulReaper()
        self._in_line: set[int] = set()
        """Those that wait for their turn in a roll."""

    def fail_abandoned(self) -> int:
        """End what a dead supervisor left running; return how many that were."""
        return lifecycle.fail_abandoned(self._queue, self._owner)

    def claim(self) -> list[Order]:
        """Take what waits in the queue, oldest first."""
        orders: list[Order] = []
        while operations := lifecycle.claim(self._queue, self._owner, limit=_CLAIM_LIMIT):
            for operation in operations:
                self._held[operation.pk] = operation
                force = bool(operation.parameters.get("force", False))
                rolling = bool(operation.parameters.get("rolling", False))
                orders.append(
                    Order(
                        operation.pk,
                        operation.kind,
                        operation.target_key,
                        force,
                        operation.batch,
                        rolling,
                        requested_as=operation.request_id,
                        asked_by=operation.requester,
                    )
                )
            if len(operations) < _CLAIM_LIMIT:
                break
        return orders

    def look(self) -> tuple[set[int], set[int]]:
        """Return which of the held operations somebody else has ended, and which are to be cancelled."""
        if not self._held:
            return set(), set()
        mine = Operation.objects.filter(lease_owner=self._owner, status=Status.RUNNING)
        rows = dict(mine.values_list("pk", "cancel_requested_at"))
        lost = self._forget(self._held.keys() - rows.keys())
        asked = {pk for pk, at in rows.items() if at is not None and pk in self._held} - self._cancels_told
        self._cancels_told |= asked
        return lost, asked

    def reap(self) -> None:
        """End what nobody took in time: where only a supervisor runs, it would stay in the way for ever."""
        self._reaper.reap(self._queue)

    def renew(self) -> set[int]:
        """Extend the leases; return the operations that are not ours any more."""
        if not self._held:
            return set()
        lifecycle.postpone(self._held[pk] for pk in self._in_line)
        if jump := self._clock.seconds():
            now = timezone.now()
            left = ((one, (one.deadline_at - now).total_seconds() + jump) for one in self._held.values())
            lifecycle.redate(left)
        held = lifecycle.renew(self._held.values())
        return self._forget(self._held.keys() - held)

    def write(self, note: Note) -> None:
        """Store progress or the end of one operation; one that is not ours any more is left alone."""
        operation = self._held.get(note.operation)
        if operation is None:
            return
        with working_on(operation.pk, requested_as=operation.request_id, asked_by=operation.requester):
            self._write(operation, note)

    def _write(self, operation: Operation, note: Note) -> None:
        self._log(operation, note)
        try:
            if isinstance(note, Finish):
                if note.status == Status.SUCCESS:
                    operation.progress_done = operation.progress_total
                    operation.progress_message = ""  # "starting, pid 7" is not true any more
                lifecycle.finish(operation, note.status, note.code, note.detail)
                self._forget({note.operation})
            else:
                lifecycle.report(operation, 0, 1, note.message)
                self._wait_in_line(note)
        except LeaseLost as lost:
            log.info("%s", lost)
            self._forget({note.operation})

    def hand_over(self) -> None:
        """End what was claimed and nobody has begun with: the next supervisor takes only what waits."""
        for pk in list(self._held):
            self.write(Finish(pk, Status.FAILED, HANDED_OVER, HANDED_OVER_DETAIL))

    def _log(self, operation: Operation, note: Note) -> None:
        """Say what was done, to be stored along with what the note changes."""
        if operation.pk not in self._logs:
            self._logs[operation.pk] = _Log(OperationLog(operation))
        log = self._logs[operation.pk]
        for step in note.steps:
            # The note comes again where the database went away over it.
            if step.number > log.said:
                log.said = step.number
                level = "warning" if step.text.startswith("killing") else "info"
                log.lines.add(_capital(step.text), level, step.at)
        if isinstance(note, Finish) and note.detail and not log.ended:
            log.ended = True
            log.lines.add(note.detail, "error" if note.status == Status.FAILED else "warning")

    def _wait_in_line(self, note: Progress) -> None:
        """Let its deadline count from the moment at which its turn has come."""
        if note.in_line:
            self._in_line.add(note.operation)
        elif note.operation in self._in_line:
            self._in_line.discard(note.operation)
            lifecycle.postpone([self._held[note.operation]])

    def _forget(self, operations: "set[int]") -> set[int]:
        for pk in operations:
            self._held.pop(pk, None)
            self._logs.pop(pk, None)
            self._cancels_told.discard(pk)
            self._in_line.discard(pk)
        return set(operations)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
