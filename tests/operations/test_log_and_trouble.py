"""Lines are neither lost nor doubled, nor written by somebody who has lost the operation."""

import threading
import time
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from medimgr.events.models import Event
from operations import lifecycle, log_lines, log_writer
from operations.executor import Executor
from operations.job import Job
from operations.log_lines import MOST_BYTES, OperationLog
from operations.log_writer import store
from operations.models import Operation
from operations.states import Status
from tests.operations.asking import ask, declare, fresh, running, wait_until_ended
from tests.operations.saying import carried_out, claimed, texts
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def test_a_holder_that_was_ended_meanwhile_writes_nothing() -> None:
    operation = claimed()
    job = Job(operation)
    job.log("before")
    log = job._own_log
    store([log])
    other = Operation.objects.get(pk=operation.pk)
    log_lines._open.clear()  # it is ended by another process, which knows nothing of the log
    lifecycle.finish(other, Status.TIMEOUT, "timeout", "Too slow.")
    events = Event.objects.count()
    log.add("after")
    store([log])
    assert texts(operation) == ["before"]
    assert fresh(operation).log_lines == 1
    assert Event.objects.count() == events
    assert log.waiting == 0
    log.add("still")
    assert log.waiting == 0


def test_a_holder_whose_token_is_old_writes_nothing() -> None:
    operation = claimed()
    log = OperationLog(operation)
    log.add("stale")
    Operation.objects.filter(pk=operation.pk).update(lease_token=operation.lease_token + 1)
    store([log])
    assert texts(operation) == []
    assert log.waiting == 0


def test_lines_are_neither_lost_nor_doubled_where_a_write_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the lines are in and before the commit: nothing is stored, and all is tried again."""
    operation = claimed()
    log = OperationLog(operation)
    log.add("one\ntwo")

    def fail(facts: Any) -> None:
        list(facts)
        raise DatabaseError("gone")

    monkeypatch.setattr(log_writer, "publish_all", fail)
    with pytest.raises(DatabaseError):
        store([log])
    assert texts(operation) == []
    monkeypatch.undo()
    log.add("three")
    store([log])
    assert texts(operation) == ["one", "two", "three"]


def test_lines_whose_commit_was_not_heard_of_are_not_stored_again() -> None:
    operation = claimed()
    log = OperationLog(operation)
    log.add("one\ntwo")
    store([log])
    again = OperationLog(operation)  # as if nobody had told it that the lines are in
    again.add("one\ntwo")
    again.add("three")
    store([again])
    assert texts(operation) == ["one", "two", "three"]


def test_a_handler_does_not_wait_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = threading.Event()
    away.set()
    original = log_writer.store

    def store_or_fail(logs: Any) -> None:
        if away.is_set():
            raise DatabaseError("no route to the database")
        original(logs)

    monkeypatch.setattr(log_writer, "store", store_or_fail)
    took: list[float] = []
    go_on = threading.Event()

    def handler(job: Job) -> None:
        began = time.monotonic()
        for number in range(1000):
            job.log(f"line {number}")
        took.append(time.monotonic() - began)
        assert go_on.wait(15)

    declare(handler=handler)
    operation = ask()
    with running(Executor(threads=1)):
        wait_for(lambda: took, 5, "the handler has said all")
        assert took[0] < 0.5
        assert texts(operation) == []
        away.clear()
        wait_for(lambda: len(texts(operation)) == 1000, 10, "the lines are stored")
        go_on.set()
        wait_until_ended(operation)
    assert texts(operation) == [f"line {number}" for number in range(1000)]


def test_what_a_log_keeps_while_the_database_is_away_is_bounded() -> None:
    log = OperationLog(claimed())
    for _ in range(20_000):
        log.add("x" * 1000)
    assert log.waiting <= MOST_BYTES // 1000 + 2


@pytest.mark.skipif("connection.vendor != 'postgresql'")
def test_a_row_that_somebody_has_locked_holds_up_no_other_log() -> None:
    first, second = claimed(), None
    Operation.objects.filter(pk=first.pk).update(target_key="another")
    second = claimed()
    logs = [OperationLog(first), OperationLog(second)]
    for log in logs:
        log.add("hello")
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Operation.objects.select_for_update().get(pk=first.pk)
            locked.set()
            release.wait(10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert locked.wait(5)
        store(logs)
        assert (texts(first), texts(second)) == ([], ["hello"])
        assert logs[0].waiting == 1
    finally:
        release.set()
        holder.join()
    store(logs)
    assert texts(first) == ["hello"]


def test_the_thread_ends_with_the_last_log() -> None:
    carried_out(lambda job: job.log("x"))
    wait_for(lambda: log_writer.writer._thread is None, 5, "the thread has ended")
