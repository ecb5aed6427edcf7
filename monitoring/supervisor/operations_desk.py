"""Turns operations into events for the machine, follows them, and decides how each ends.

One operation per service at a time, which the database guarantees. Of services that are being stopped or
restarted together, those that others need stop last. What one request asked for comes in one after the
other, so a stop among dependencies waits a moment for the rest of its batch. Rolling restarts wait for their
turn, see ``rolling.py``; one that fails halts its roll.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from medimgr.lib.log_context import working_on
from monitoring import handlers
from monitoring.exceptions import MinReady, RollHalted
from monitoring.states import LIVE, REASON_WORDS, Intent, Reason, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import AutoRecovery, Down, Event, Restart, Up
from monitoring.supervisor.records import Finish, Note, Order, Progress, Step
from monitoring.supervisor.rolling import Standing, turns
from operations.exceptions import CancelledByRequest, TargetGone

_STOPPING_KINDS = frozenset({handlers.STOP, handlers.RESTART})
_STARTING_KINDS = frozenset({handlers.START, handlers.RESTART})


QUIET_SECONDS = 0.1
"""A batch is complete once nothing more of it has come for so long,"""
LONGEST_SECONDS = 2.0
"""or since its first operation came for so long."""
_ROLLS_REMEMBERED = 64
_TOLD_IN_LINE = 20
"""So many of a roll are told for whom they wait; the others, that they wait."""


@dataclass(slots=True)
class _Followed:
    order: Order
    old_run: str
    begun: bool = False
    applied: bool = False
    """The machine has taken its event, so what the service does now answers it."""
    told: tuple[str, bool] = ("", False)


class OperationsDesk:
    """``feed`` gives an event to the machine, ``put`` a note about an operation to the store."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[Entry, Event, Callable[[], None] | None], None],
        put: Callable[[Note], None],
        dependents: Callable[[str], list[Entry]],
    ) -> None:
        """``feed`` calls its third argument once the machine has taken the event; ``dependents`` are the
        services that need one directly.
        """
        self._entries = entries
        self._loop = loop
        self._feed = feed
        self._put = put
        self._dependents = dependents
        self._followed: dict[str, _Followed] = {}
        self._batches: dict[str, tuple[float, float]] = {}
        """When the first and the last operation of a batch came."""
        self._rolls_over: dict[str, tuple[str, str, str]] = {}
        """Batches whose roll has been ended, and how those end that had not begun."""
        self._turns_due = False
        self._line = False
        """Rolling restarts wait for their turn."""
        self.closed = ""
        """Why no operation is taken any more; empty while they are."""

    def operation_of(self, key: str) -> int | None:
        """Return the operation that is under way on a service."""
        order = self._order_of(key)
        return order.operation if order is not None else None

    def at_work_on(self, key: str) -> AbstractContextManager[None]:
        """Return a block in which the log knows of the operation that is under way on a service."""
        order = self._order_of(key)
        if order is None:
            return nullcontext()
        return working_on(order.operation, requested_as=order.requested_as, asked_by=order.asked_by)

    def _order_of(self, key: str) -> Order | None:
        followed = self._followed.get(key)
        return followed.order if followed is not None and followed.begun else None

    def held_back(self, entry: Entry) -> str:
        """Return why a service must not be counted on although it runs: it is about to be stopped."""
        followed = self._followed.get(entry.key)
        if followed is None or followed.order.kind not in _STOPPING_KINDS:
            return ""
        if followed.order.rolling and not followed.begun:
            return ""
        if entry.situation.run_id != followed.old_run and followed.order.kind == handlers.RESTART:
            return ""
        return "which is being restarted" if followed.order.kind == handlers.RESTART else "which is stopping"

    def take(self, orders: list[Order]) -> None:
        """Begin with operations that were claimed together."""
        taken = []
        now = self._loop.time()
        self._batches = {b: t for b, t in self._batches.items() if now - t[1] < LONGEST_SECONDS}
        for order in orders:
            if order.batch:
                self._batches[order.batch] = (self._batches.get(order.batch, (now, now))[0], now)
            entry = self._entries.get(order.key)
            if self.closed:
                self._put(Finish(order.operation, "FAILED", Reason.SHUTDOWN, self.closed))
            elif entry is None or entry.deleted:
                self._put(
                    Finish(
                        order.operation, "FAILED", TargetGone.code, f"There is no service {order.key} here."
                    )
                )
            elif order.rolling and order.batch in self._rolls_over:
                self._put(Finish(order.operation, *self._rolls_over[order.batch]))
            else:
                before = self._followed.get(order.key)
                self._followed[order.key] = _Followed(order, entry.situation.run_id)
                taken.append(entry)
                if before is not None:
                    self._lost(before)
        # All of them are known before the first begins: a stop looks for others that go before it.
        for entry in taken:
            self._begin(entry)

    def forget(self, operations: set[int]) -> None:
        """Stop following operations that somebody else has ended."""
        for key, followed in list(self._followed.items()):
            if followed.order.operation in operations:
                del self._followed[key]
                self._lost(followed)
                self._nudge(key)

    def cancel(self, operations: set[int]) -> None:
        """Give up what can still be given up: a stop that has not begun, a start that is not done.

        Whichever of a roll is cancelled, the roll ends with those that have begun.
        """
        for key, followed in list(self._followed.items()):
            order = followed.order
            if order.operation not in operations or self._followed.get(key) is not followed:
                continue
            if order.rolling:
                self._end_roll(
                    order,
                    "CANCELLED",
                    CancelledByRequest.code,
                    "The roll was cancelled before its turn came.",
                )
                continue
            entry = self._entries.get(key)
            if not followed.begun or entry is None:
                self._end(key, "CANCELLED", CancelledByRequest.code, "Cancelled before it began.")
            elif order.kind == handlers.START:
                self._end(
                    key, "CANCELLED", CancelledByRequest.code, "Cancelled; the service is stopped again."
                )
                self._feed(entry, Down(), None)

    def changed(self, entry: Entry) -> None:
        """Look at the operation on ``entry``, and at those that wait for ``entry`` to stop."""
        followed = self._followed.get(entry.key)
        if followed is not None:
            if not followed.begun:
                self._begin(entry)
            elif followed.applied:
                self._judge(entry, followed)
        self._nudge(entry.key)
        self._look_at_turns_soon()

    def target_gone(self, key: str) -> None:
        """The service was deleted."""
        if key in self._followed:
            self._end(key, "FAILED", TargetGone.code, "The service was deleted meanwhile.")

    def close(self, why: str, code: str = Reason.SHUTDOWN) -> None:
        """Take no operations any more, and end those under way as failed: the supervisor stops."""
        self.closed = why
        for key in list(self._followed):
            self._end(key, "FAILED", code, why)

    # --- beginning --------------------------------------------------------------------------------

    def _begin(self, entry: Entry) -> None:
        followed = self._followed.get(entry.key)
        if followed is None or followed.begun:
            return
        order = followed.order
        if order.rolling:
            self._line = True
            self._look_at_turns_soon()
            return
        force = order.force or (order.kind == handlers.STOP and _is_stopping(entry))
        if order.kind in _STOPPING_KINDS and not force:
            incomplete = self._incomplete(entry, order.batch)
            if incomplete > 0:
                self._loop.call_later(incomplete, self._begin, entry)
                return
            before = self._goes_before(entry)
            if before:
                self._tell(followed, f"waiting for {before} to stop first")
                return
        self._begin_now(entry, followed, force=force)

    def _begin_now(self, entry: Entry, followed: _Followed, *, force: bool = False) -> None:
        order = followed.order
        followed.begun = True
        followed.old_run = entry.situation.run_id
        event: Event
        if order.kind == handlers.START:
            event = Up()
        elif order.kind == handlers.STOP:
            event = Down(force)
        elif order.kind == handlers.RESTART:
            event = Restart()
        else:
            event = AutoRecovery(order.kind == handlers.AUTO_RECOVERY_ON)
        self._feed(entry, event, lambda: self._apply(entry, followed))

    def _apply(self, entry: Entry, followed: _Followed) -> None:
        followed.applied = True
        if self._followed.get(entry.key) is followed:
            self._judge(entry, followed)

    def _incomplete(self, entry: Entry, batch: str) -> float:
        """Return the seconds to wait for others of the batch, on which the order may depend."""
        if batch not in self._batches or not (entry.spec.needs or self._dependents(entry.key)):
            return 0.0
        first, last = self._batches[batch]
        return min(last + QUIET_SECONDS, first + LONGEST_SECONDS) - self._loop.time()

    def _goes_before(self, entry: Entry) -> str:
        """Return the names of services that need this one and are themselves being stopped now."""
        names = []
        for other in self._dependents(entry.key):
            followed = self._followed.get(other.key)
            if followed is None or followed.order.kind not in _STOPPING_KINDS:
                continue
            if followed.order.rolling and not followed.begun:
                continue
            if other.state in LIVE and other.situation.run_id == followed.old_run:
                names.append(other.spec.name)
        return " and ".join(sorted(names))

    def _nudge(self, key: str) -> None:
        """Begin what waited for ``key`` to stop."""
        entry = self._entries.get(key)
        if entry is None:
            return
        for need in entry.spec.needs:
            needed = self._followed.get(need.service)
            if needed is not None and not needed.begun and need.service in self._entries:
                self.changed(self._entries[need.service])

    # --- rolling restarts -------------------------------------------------------------------------

    def _look_at_turns_soon(self) -> None:
        """Look at all that wait for their turn once this turn of the loop is over, however much happened."""
        if self._line and not self._turns_due:
            self._turns_due = True
            self._loop.call_soon(self._look_at_turns)

    def _look_at_turns(self) -> None:
        self._turns_due = False
        line = [one for one in self._followed.values() if one.order.rolling and not one.begun]
        self._line = bool(line)
        incomplete = max(
            (self._incomplete(self._entries[one.order.key], one.order.batch) for one in line), default=0
        )
        if incomplete > 0:
            self._loop.call_later(incomplete, self._look_at_turns_soon)
            return
        begun = [one.order for one in self._followed.values() if one.begun]
        restarting = {order.key: order for order in begun if order.kind == handlers.RESTART}
        stopping = frozenset(order.key for order in begun if order.kind == handlers.STOP)
        waiting = sorted((one.order for one in line), key=lambda order: order.operation)
        verdicts = list(turns(waiting, Standing(restarting, stopping), self._entries))
        moving = any(order.rolling for order in begun) or any(leave.granted for _, leave in verdicts)
        for place, (order, leave) in enumerate(verdicts):
            followed = self._followed.get(order.key)
            if followed is None or followed.order is not order:
                continue  # another one's failure has just ended the roll
            if leave.granted:
                self._begin_now(self._entries[order.key], followed)
            elif leave.never:
                self._end(order.key, "FAILED", MinReady.code, f"It was not restarted: {leave.why}.")
            else:
                why = (
                    f"waiting for its turn: {leave.why}" if place < _TOLD_IN_LINE else "waiting for its turn"
                )
                self._tell(followed, why, in_line=moving)

    def _end_roll(self, of: Order, status: str, code: str, detail: str) -> None:
        """End all of a roll that has not begun; what comes of it later ends the same way."""
        if of.batch:
            self._rolls_over[of.batch] = (status, code, detail)
            while len(self._rolls_over) > _ROLLS_REMEMBERED:
                del self._rolls_over[next(iter(self._rolls_over))]
        for key, followed in list(self._followed.items()):
            order = followed.order
            same = order is of or (of.batch and order.batch == of.batch)
            if order.rolling and same and not followed.begun:
                del self._followed[key]
                self._put(Finish(order.operation, status, code, detail))

    def _lost(self, followed: _Followed) -> None:
        """Somebody else has ended an operation: where it was under way in a roll, that goes no further."""
        if followed.order.rolling and followed.begun:
            self._halt(followed.order, "Its restart was replaced by another request, or took too long.")
        self._look_at_turns_soon()

    def _halt(self, failed: Order, why: str) -> None:
        entry = self._entries.get(failed.key)
        name = entry.spec.name if entry is not None else failed.key
        detail = f"The roll was halted, and this one was left as it is. {name}: {_sentence(why)}"
        self._end_roll(failed, "FAILED", RollHalted.code, detail)

    # --- ending -----------------------------------------------------------------------------------

    def _judge(self, entry: Entry, followed: _Followed) -> None:
        kind = followed.order.kind
        if kind in _STARTING_KINDS:
            self._judge_start(entry, followed)
        elif kind == handlers.STOP:
            if entry.state is State.STOPPED and entry.situation.intent is Intent.DOWN:
                self._end(entry.key, "SUCCESS")
            else:
                self._tell(followed, _doing(entry))
        else:
            self._end(entry.key, "SUCCESS")

    def _judge_start(self, entry: Entry, followed: _Followed) -> None:
        s = entry.situation
        kind = followed.order.kind
        new_run = kind == handlers.START or s.run_id != followed.old_run
        completed = s.state is State.EXITED and s.reason is Reason.COMPLETED
        waits_for_its_time = s.state is State.EXITED and kind == handlers.START and entry.spec.schedule
        if completed or waits_for_its_time or (s.state is State.RUNNING and new_run):
            self._end(entry.key, "SUCCESS")
        elif s.state in (State.FATAL, State.EXITED, State.BACKOFF, State.STOPPED):
            code = s.reason or s.state.lower()
            detail = s.detail or REASON_WORDS[s.reason] or "It did not start."
            again = " It is tried again." if s.state is State.BACKOFF else ""
            self._end(entry.key, "FAILED", code, _sentence(detail) + again)
        else:
            self._tell(followed, _doing(entry))

    def _tell(self, followed: _Followed, message: str, *, in_line: bool = False) -> None:
        if message and (message, in_line) != followed.told:
            followed.told = (message, in_line)
            self._put(Progress(followed.order.operation, message, in_line, (Step(message),)))

    def _end(self, key: str, status: str, code: str = "", detail: str = "") -> None:
        order = self._followed.pop(key).order
        steps = (Step(_came_to(order, self._entries[key])),) if status == "SUCCESS" else ()
        self._put(Finish(order.operation, status, code, detail, steps))
        if order.rolling and status == "FAILED" and code != TargetGone.code and not self.closed:
            self._halt(order, detail)
        self._look_at_turns_soon()


def _is_stopping(entry: Entry) -> bool:
    """Return whether somebody has asked for it to stop, and it is still at it."""
    return entry.state is State.STOPPING and entry.situation.intent is Intent.DOWN


def _doing(entry: Entry) -> str:
    s = entry.situation
    if s.state is State.WAITING:
        return s.detail if s.reason is Reason.DEPENDENCY else "waiting for a place to start"
    if s.state is State.STARTING:
        return f"starting, pid {s.pid}" if s.pid else "starting"
    if s.state is State.STOPPING:
        doing = "killing" if s.killed else "stopping"
        return f"{doing} pid {s.pid}" if s.pid else "ending what is left of its processes"
    return ""


def _came_to(order: Order, entry: Entry) -> str:
    """Return what an operation that succeeded has made of its service."""
    if order.kind in (handlers.AUTO_RECOVERY_ON, handlers.AUTO_RECOVERY_OFF):
        return f"auto-recovery is {'on' if order.kind == handlers.AUTO_RECOVERY_ON else 'off'}"
    s = entry.situation
    if s.state is State.EXITED:
        return "completed" if s.reason is Reason.COMPLETED else "waiting for its time"
    return f"{s.state.lower()}, pid {s.pid}" if s.pid else s.state.lower()


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
