"""What waits for the database: in order, the newest status alone, and never without bound."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.states import Health, Intent, Reason, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.recording import Recorder
from monitoring.supervisor.records import Finish, Note, Progress, RunRow, StatusRow, TransitionRow, fitting
from monitoring.supervisor.situation import Record
from monitoring.supervisor.spec import ServiceSpec
from monitoring.supervisor.writes import Batch, WriteQueue

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def status(key: str = "backend", **changes: Any) -> StatusRow:
    row = StatusRow(
        1, key, Intent.UP, State.RUNNING, Health.UNKNOWN, Reason.BOOT, "", NOW, 7, NOW, 0, True, False
    )
    return replace(row, **changes)


def transition(number: int) -> TransitionRow:
    at = NOW + timedelta(seconds=number)
    return TransitionRow(1, at, State.RUNNING, State.BACKOFF, Reason.CRASH, str(number), 7, "", None)


def run(number: int, **changes: Any) -> RunRow:
    row = RunRow(f"run-{number}", 1, "backend", number, 0, "", ("x",), Reason.CRASH, NOW, 0)
    return replace(row, **changes)


def test_of_each_status_the_newest_is_kept() -> None:
    queue = WriteQueue()
    queue.put(status(pid=1))
    queue.put(status("other", pid=2))
    queue.put(status(pid=3))
    assert [(key, row.pid) for key, row in queue.take().statuses.items()] == [("backend", 3), ("other", 2)]
    assert not queue.take()


def test_history_stays_in_order_when_it_is_given_back() -> None:
    queue = WriteQueue()
    for number in range(3):
        queue.put(transition(number))
    taken = queue.take()
    queue.put(transition(3))
    queue.put(status(pid=2))
    taken.statuses["backend"] = status(pid=1)
    queue.give_back(taken)
    batch = queue.take()
    assert [row.detail for row in batch.transitions] == ["0", "1", "2", "3"]
    assert batch.statuses["backend"].pid == 2


def test_an_older_run_stays_in_front_of_a_newer_one() -> None:
    queue = WriteQueue()
    queue.put(run(1))
    queue.put(run(2))
    queue.put(run(1, ended_at=NOW))
    assert [(row.run_id, row.ended_at) for row in queue.take().runs.values()] == [
        ("run-1", NOW),
        ("run-2", None),
    ]


def test_history_is_bounded_and_what_is_lost_is_counted() -> None:
    queue = WriteQueue(limit=10)
    for number in range(25):
        queue.put(transition(number))
        queue.put(run(number, ended_at=NOW))
    queue.put(run(99))
    batch = queue.take()
    assert [row.detail for row in batch.transitions] == [str(number) for number in range(15, 25)]
    assert len(batch.runs) == 10
    assert "run-99" in batch.runs, "the run that lives is never dropped"
    assert batch.lost == 15 + 16


def test_giving_back_again_and_again_does_not_grow_without_bound() -> None:
    queue = WriteQueue(limit=5)
    for number in range(50):
        queue.put(transition(number))
        queue.give_back(queue.take())
    batch = queue.take()
    assert len(batch.transitions) == 5
    assert batch.lost == 45


def test_of_progress_the_newest_counts_and_an_end_is_never_dropped() -> None:
    batch = Batch(notes=[Progress(1, "a"), Progress(1, "b"), Finish(2, "SUCCESS")])
    batch.add(Batch(notes=[Progress(1, "c"), Finish(1, "FAILED"), Progress(3, "d")]), limit=10)
    assert batch.notes == [Finish(2, "SUCCESS"), Finish(1, "FAILED"), Progress(3, "d")]


def test_the_newest_measurement_and_problem_win() -> None:
    queue = WriteQueue()
    queue.put_tick({"a": [1.0, 2.0]})
    queue.put_problem("full")
    taken = queue.take()
    queue.put_tick({"a": [3.0, 4.0]})
    queue.put_problem("")
    queue.give_back(taken)
    batch = queue.take()
    assert batch.tick == {"a": [3.0, 4.0]}
    assert batch.problem == ""


def test_a_batch_can_be_taken_apart() -> None:
    batch = Batch(
        statuses={"backend": status()},
        runs={"run-1": run(1)},
        transitions=deque([transition(1), transition(2)]),
        tick={},
    )
    parts = list(batch.singly())
    assert [len(part.runs) + len(part.transitions) + len(part.statuses) for part in parts] == [1, 1, 1, 1, 0]
    batch.clear_rows()
    assert not batch


def test_a_detail_is_made_to_fit() -> None:
    assert fitting("a\0b") == "ab"
    assert len(fitting("x" * 5000)) == 500
    assert transition(1).with_note("(later)").detail == "1 (later)"


def test_ended_web_workers_wait_until_each_is_written_and_stand_in_order() -> None:
    queue = WriteQueue()
    queue.put_ended_worker(7)
    batch = queue.take()
    assert batch
    queue.put_ended_worker(8)
    batch.clear_rows()
    queue.give_back(batch)
    assert queue.take().workers == [7, 8]
    assert not queue.waiting()


class Eager(WriteQueue):
    """A queue from which the store takes at once whatever has been put, as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []

    def put(self, *rows: StatusRow | RunRow | TransitionRow | Note) -> None:
        super().put(*rows)
        self.batches.append(self.take())


def test_a_change_and_the_status_that_it_leads_to_are_written_in_one_batch() -> None:
    """Whoever is killed between two batches leaves no history that goes further than the status."""
    queue = Eager()
    entry = Entry(1, ServiceSpec("it", "It", ("x",)), NOW)
    change = Record(State.RUNNING, State.BACKOFF)
    Recorder(queue, lambda key: None).record(entry, entry.situation, change)
    [batch] = queue.batches
    assert (len(batch.transitions), len(batch.statuses)) == (1, 1)
