"""Tells the database's queue what has become of services and their runs. Never waits for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from monitoring.states import ExitSource, Reason, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.process import Exit
from monitoring.supervisor.records import TransitionRow, fitting
from monitoring.supervisor.situation import Record, Situation
from monitoring.supervisor.writes import WriteQueue


class Recorder:
    """``operation_of`` names the operation under way on a service, for its history."""

    def __init__(self, queue: WriteQueue, operation_of: Callable[[str], int | None]) -> None:
        self._queue = queue
        self._operation_of = operation_of

    def record(self, entry: Entry, before: Situation, effect: Record) -> None:
        """Put down what operators see of ``entry`` now, and the transition where its state changed."""
        after = entry.situation
        now = datetime.now(UTC)
        moved = effect.before is not effect.after
        if moved:
            entry.since = now
            if effect.after is State.RUNNING:
                self._ready(entry, now)
        if entry.service is None or entry.deleted:
            return
        # That it was taken over belongs into its history, although it has been RUNNING all along.
        taken_over = after.reason is Reason.ADOPTED and before.reason is not Reason.ADOPTED
        if moved or taken_over:
            # In one: a supervisor that is killed between two batches must not leave a history that goes
            # further than the status from which its successor takes up.
            moved_to = self._transition(entry, effect, now, after.reason, after.detail, before)
            self._queue.put(moved_to, entry.status())
        else:
            self._queue.put(entry.status())

    def tell(self, entry: Entry, reason: Reason, detail: str) -> None:
        """Put something into the history of ``entry`` that has not changed its state."""
        if entry.service is not None and not entry.deleted:
            s = entry.situation
            stays = Record(s.state, s.state)
            self._queue.put(self._transition(entry, stays, datetime.now(UTC), reason, detail, s))

    def _transition(
        self, entry: Entry, states: Record, now: datetime, reason: Reason, detail: str, before: Situation
    ) -> TransitionRow:
        assert entry.service is not None  # noqa: S101
        return TransitionRow(
            service=entry.service,
            at=now,
            before=states.before,
            after=states.after,
            reason=reason,
            detail=fitting(detail),
            pid=entry.situation.pid or before.pid,
            run_id=entry.situation.run_id or before.run_id,
            operation=self._operation_of(entry.key),
        )

    def begun(self, entry: Entry) -> None:
        """Put down the run that has just been spawned."""
        if entry.run is not None:
            self._queue.put(entry.run)

    def ended(self, entry: Entry, how: Exit, why: Reason) -> None:
        """Put down how the run ended; only the first word about it counts."""
        run = entry.run
        if run is not None and run.ended_at is None:
            entry.run = replace(
                run,
                ended_at=datetime.now(UTC),
                exit_code=how.code,
                exit_signal=how.signal,
                exit_source=how.source,
                end_reason=why,
            )
            self._queue.put(entry.run)
            if entry.spec.builtin:  # it may have served streams
                self._queue.put_ended_worker(run.pid)

    def lost(self, entry: Entry) -> None:
        """Put down that the run ended while nobody was looking."""
        self.ended(entry, Exit(None, "", ExitSource.UNKNOWN), Reason.CRASH)

    def _ready(self, entry: Entry, now: datetime) -> None:
        if entry.run is not None and entry.run.ready_at is None:
            entry.run = replace(entry.run, ready_at=now)
            self._queue.put(entry.run)
