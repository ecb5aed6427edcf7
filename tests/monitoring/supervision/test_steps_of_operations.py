"""The log of an operation on a service tells each step, with its time, and how it ended."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError

from monitoring.supervisor import writes
from monitoring.supervisor.operation_rows import OperationRows
from monitoring.supervisor.records import Finish, Note, Progress, Step
from monitoring.supervisor.writes import Batch, WriteQueue
from operations import lifecycle
from operations.log_lines import Line
from operations.log_reading import read_lines
from operations.models import Operation
from operations.registry import node_queue
from tests.monitoring.supervision.ward import Ward, program
from tests.operations.asking import ask, declare

pytestmark = pytest.mark.both_databases


def steps(operation: Operation) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in read_lines(operation.pk)]


def times(lines: list[Line]) -> list[datetime]:
    return [datetime.fromisoformat(line.at) for line in lines]


def test_a_restart_tells_what_became_of_the_old_and_the_new_process(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "0.3"))
    old = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    operation = shared_ward.act(service, "restart")
    new = shared_ward.reaches(service, "RUNNING").pid
    said = steps(operation)
    assert said[0] == ("info", f"Stopping pid {old}")
    assert ("info", f"Starting, pid {new}") in said
    assert said[-1] == ("info", f"Running, pid {new}")
    assert operation.log_lines == len(said)
    moments = times(read_lines(operation.pk))
    assert moments == sorted(moments)
    assert (moments[-1] - moments[0]).total_seconds() >= 0.3  # when it was, not when it was stored


def test_a_stop_that_needs_a_kill_warns_of_it(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("slow_to_stop", "60"), stop_timeout_seconds=0.5)
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(lambda: "ready" in shared_ward.log(service), "it catches the signal")
    operation = shared_ward.act(service, "stop")
    said = steps(operation)
    assert said[:2] == [("info", f"Stopping pid {pid}"), ("warning", f"Killing pid {pid}")]
    assert said[-1] == ("info", "Stopped")


def test_a_start_that_fails_says_why_in_its_log(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=["/no/such/program"], autostart=False)
    operation = shared_ward.act(service, "start")
    level, text = steps(operation)[-1]
    assert (level, text) == ("error", operation.error_detail)
    assert "/no/such/program" in text


def test_a_start_that_waits_says_for_whom(shared_ward: Ward) -> None:
    needed = shared_ward.declare(autostart=False, name="Database")
    service = shared_ward.declare(needs=(needed,), autostart=False)
    operation = shared_ward.ask(service, "start")
    shared_ward.wait(lambda: any("Database" in text for _, text in steps(operation)), "it says for whom")
    shared_ward.act(needed, "start")
    assert shared_ward.ended(operation).status == "SUCCESS"
    assert steps(operation)[-1][1].startswith("Running, pid ")
    auto = shared_ward.act(service, "auto-recovery-off")
    assert steps(auto) == [("info", "Auto-recovery is off")]


# --- while the database is away ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_note_that_is_written_again_says_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    declare()
    operation = ask(queue=node_queue("alpha"))
    rows = OperationRows("alpha", "alpha:1:1")
    rows.claim()
    long_ago = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    notes: list[Note] = [
        Progress(operation.pk, "stopping pid 7", steps=(Step("stopping pid 7", long_ago),)),
        Finish(operation.pk, "FAILED", "broken", "It broke."),
    ]

    def away(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection")

    for note in notes:
        with monkeypatch.context() as patch:
            patch.setattr(lifecycle, "report", away)
            patch.setattr(lifecycle, "finish", away)
            for _ in range(2):
                with pytest.raises(OperationalError):
                    rows.write(note)
        rows.write(note)
    assert steps(operation) == [("info", "Stopping pid 7"), ("error", "It broke.")]
    assert times(read_lines(operation.pk))[0] == long_ago


def test_progress_that_was_never_written_leaves_its_steps_to_the_next() -> None:
    queue = WriteQueue()
    for text in ("a", "b"):
        queue.put(Progress(1, text, steps=(Step(text),)))
    queue.put(Progress(2, "other", steps=(Step("other"),)))
    queue.give_back(queue.take())
    queue.put(Finish(1, "SUCCESS", steps=(Step("c"),)))
    queue.give_back(queue.take())
    other, end = queue.take().notes
    assert [step.text for step in end.steps] == ["a", "b", "c"]
    assert [step.text for step in other.steps] == ["other"]


def test_a_long_outage_keeps_the_last_steps_alone() -> None:
    batch = Batch()
    for number in range(500):
        batch.add(Batch(notes=[Progress(1, str(number), steps=(Step(str(number)),))]), limit=10)
    (note,) = batch.notes
    assert [step.text for step in note.steps][-2:] == ["498", "499"]
    assert len(note.steps) <= writes.STEPS_LIMIT + 1
