"""Work in chunks: what is done stays done, is told, and is not done again."""

import sys
import threading
from pathlib import Path

import pytest
from django.db import OperationalError

from operations import lifecycle
from operations.chunks import each_chunk
from operations.exceptions import CheckpointUnfit, LeaseLost
from operations.executor import Executor
from operations.intake import retry
from operations.job import Job
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations import chunk_worker
from tests.operations.asking import ALICE, BERTA, ask, declare, fresh, running, wait_until_ended
from tests.running import Instance, wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

TOTAL, SIZE = 20 * 32, 32


def job_for(operation: Operation) -> Job:
    [held] = lifecycle.claim(WORKER_QUEUE, "w")
    assert held.pk == operation.pk
    return Job(held)


def test_every_item_comes_once_and_the_row_tells_how_far_it_is() -> None:
    asked = ask()
    seen: list[tuple[int, int]] = []
    for start, stop in each_chunk(job_for(asked), 70, size=32):
        assert (fresh(asked).progress_done, fresh(asked).progress_total) == (start, 70)
        seen.append((start, stop))
    assert seen == [(0, 32), (32, 64), (64, 70)]
    row = fresh(asked)
    assert row.checkpoint == {"done": 70, "total": 70}
    assert (row.progress_done, row.progress_message) == (70, "chunk 3 of 3")


def test_nothing_to_do_is_no_chunk() -> None:
    assert list(each_chunk(job_for(ask()), 0)) == []


@pytest.mark.parametrize(("total", "size"), [(-1, 32), (10, 0)])
def test_numbers_have_to_make_sense(total: int, size: int) -> None:
    with pytest.raises(ValueError, match="chunks of"):
        list(each_chunk(job_for(ask()), total, size))


def test_a_chunk_that_failed_is_not_done() -> None:
    asked = ask()
    chunks = each_chunk(job_for(asked), 100, size=10)
    next(chunks)
    next(chunks)
    del chunks  # the handler raised
    assert fresh(asked).checkpoint == {"done": 10, "total": 100}


def interrupted(status: Status = Status.FAILED) -> Operation:
    """Return an operation that ended after its second chunk of ten."""
    job = job_for(ask())
    for start, _ in each_chunk(job, 100, size=10):
        if start == 20:
            break
    lifecycle.finish(job.operation, status, "code")
    return job.operation


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.TIMEOUT])
def test_a_retry_goes_on_where_the_old_one_ended(status: Status) -> None:
    declare(resumable=True)
    new = retry(interrupted(status), BERTA)
    assert (new.attempt, new.progress_done, new.progress_total) == (2, 20, 100)
    assert next(each_chunk(job_for(new), 100, size=30)) == (20, 50)


def test_a_retry_of_a_retry_does_too() -> None:
    declare(resumable=True)
    second = retry(interrupted(), BERTA)
    job = job_for(second)
    for start, _ in each_chunk(job, 100, size=10):
        if start == 40:
            break
    lifecycle.finish(job.operation, Status.FAILED, "code")
    third = retry(job.operation, BERTA)
    assert third.attempt == 3
    assert next(each_chunk(job_for(third), 100, size=10)) == (40, 50)


def test_a_kind_that_is_not_resumable_begins_anew() -> None:
    new = retry(interrupted(), BERTA)
    assert next(each_chunk(job_for(new), 100, size=10)) == (0, 10)


def test_another_request_begins_anew() -> None:
    declare(resumable=True)
    interrupted()
    assert next(each_chunk(job_for(ask()), 100, size=10)) == (0, 10)


def test_where_the_items_are_others_it_says_so_instead_of_guessing() -> None:
    declare(resumable=True)
    new = retry(interrupted(), BERTA)
    with pytest.raises(CheckpointUnfit, match="There are 90 items now") as caught:
        list(each_chunk(job_for(new), 90, size=10))
    assert caught.value.code == "checkpoint-unfit"


def test_a_checkpoint_of_one_that_has_ended_is_refused() -> None:
    job = job_for(ask())
    lifecycle.finish(fresh(job.operation), Status.TIMEOUT, "timeout")
    with pytest.raises(LeaseLost, match="timeout"):
        job.checkpoint({"done": 1}, 1)
    assert fresh(job.operation).checkpoint is None


def test_a_checkpoint_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_for(ask())
    really, failures = lifecycle.checkpoint, [OperationalError("away"), OperationalError("away")]

    def store(*what: object) -> None:
        if failures:
            raise failures.pop()
        really(*what)  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle, "checkpoint", store)
    monkeypatch.setattr("operations.job.connections", type("None", (), {"close_all": lambda: None}))
    job.checkpoint({"done": 3}, 3, 9)
    assert fresh(job.operation).checkpoint == {"done": 3}


@pytest.mark.django_db(transaction=True)
def test_a_cancel_ends_it_behind_a_chunk_and_loses_none() -> None:
    reached, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def handler(job: Job) -> None:
        for start, stop in each_chunk(job, TOTAL, SIZE):
            done.extend(range(start, stop))
            if start == 2 * SIZE:
                reached.set()
                go_on.wait(10)

    declare(handler=handler, resumable=True)
    with running(Executor(watch_seconds=0.05)) as executor:
        asked = ask()
        assert reached.wait(10)
        lifecycle.request_cancel(fresh(asked), BERTA)
        wait_for(lambda: executor.held()[0].cancelled_by, 5, "the job is told")
        go_on.set()
        row = wait_until_ended(asked)
        assert row.status == Status.CANCELLED
        assert row.checkpoint == {"done": 3 * SIZE, "total": TOTAL}
        assert wait_until_ended(retry(row, ALICE)).status == Status.SUCCESS
    assert done == list(range(TOTAL)), "An item was left out, or done twice."


def test_a_worker_that_is_killed_over_a_chunk_leaves_that_one_to_the_next(
    instance: Instance, tmp_path: Path
) -> None:
    """Twenty chunks of 32, kill -9 in the middle of the eighth: nothing is left out, only that is redone."""
    with instance.database():
        chunk_worker.declare(tmp_path)
        asked = ask(chunk_worker.KIND)
        command = [sys.executable, "-m", "tests.operations.chunk_worker", str(tmp_path)]
        victim = instance.start_command(command, name="victim")
        instance.wait_for((tmp_path / "in the eighth").exists, 30, "it is in the eighth chunk")
        victim.kill()
        assert fresh(asked).checkpoint == {"done": 7 * SIZE, "total": TOTAL}
        lifecycle.fail_abandoned(WORKER_QUEUE, "nobody")
        again = Operation.objects.get(retry_of=asked)  # its kind is repeatable
        heir = instance.start_command(command, name="heir")
        assert heir.wait(60) == 0, heir.output()
        assert fresh(again).status == Status.SUCCESS
        lines = [line.split() for line in (tmp_path / "items").read_text().splitlines()]
        first = [int(item) for pk, item in lines if int(pk) == asked.pk]
        second = [int(item) for pk, item in lines if int(pk) == again.pk]
        assert first[: 7 * SIZE] == list(range(7 * SIZE))
        assert second == list(range(7 * SIZE, TOTAL))
        assert set(first) & set(second) == set(first[7 * SIZE :]), "More than the chunk in work was redone."
        assert 0 < len(first) - 7 * SIZE < SIZE
