"""The store's thread on a real database: takes the node, writes, delivers, and gives the node back."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from monitoring.actions import request_action
from monitoring.models import Node, Run, Service, ServiceStatus, Transition
from monitoring.states import Reason, State
from monitoring.supervisor.records import Declared, Finish, Order, Progress, RunRow, TakenOver, TransitionRow
from monitoring.supervisor.store import Store
from operations.lifecycle import request_cancel
from operations.models import Operation
from operations.requester import Requester
from tests.factories import make_service
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
TESTER = Requester(name="tester", source="command")


class Loop:
    """Stands where the loop does: takes what the store delivers, on the store's own thread."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.lost: set[int] = set()
        self.cancelled: set[int] = set()
        self.declared: list[str] = []
        self.gone: set[int] = set()
        self.message = ""
        self.limit = 0

    def declarations_changed(self, declared: tuple[Declared, ...], gone: frozenset[int]) -> None:
        self.declared += [one.spec.key for one in declared]
        self.gone |= gone

    def orders_came(self, orders: list[Order]) -> None:
        self.orders += orders

    def orders_lost(self, operations: set[int]) -> None:
        self.lost |= operations

    def cancels_came(self, operations: set[int]) -> None:
        self.cancelled |= operations

    def start_concurrency_changed(self, limit: int) -> None:
        self.limit = limit

    def node_lost(self, message: str) -> None:
        self.message = message


def now_call(function: Callable[..., object], *arguments: object) -> None:
    function(*arguments)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def store(loop: Loop) -> Iterator[Store]:
    made = Store("testnode")
    yield made
    made.close()
    connection.close()


def begin(store: Store, loop: Loop) -> tuple[Declared, ...]:
    store.start()
    opening = store.opening.result(timeout=10)
    store.connect(loop, now_call, TakenOver(datetime.now(UTC), ()))
    return opening.declared


def eventually(condition: Callable[[], Any], what: str) -> Any:
    return wait_for(condition, 10, what)


def transition(service: Service) -> TransitionRow:
    now = datetime.now(UTC)
    return TransitionRow(service.pk, now, State.RUNNING, State.BACKOFF, Reason.CRASH, "", None, "", None)


def test_it_takes_the_node_and_gives_it_back(store: Store, loop: Loop) -> None:
    service = make_service()
    (declared,) = begin(store, loop)
    assert declared.spec == Service.objects.get(pk=service.pk).spec()
    assert Node.objects.get().supervisor_pid is not None
    store.close()
    assert Node.objects.get().supervisor_pid is None


def test_what_is_put_is_written_and_the_rest_is_written_at_the_end(store: Store, loop: Loop) -> None:
    service = make_service()
    (declared,) = begin(store, loop)
    store.queue.put(replace(declared.status, pid=4711))
    eventually(lambda: ServiceStatus.objects.get(service=service).pid == 4711, "the status is written")
    store.queue.put(replace(declared.status, pid=4712))
    store.close()
    assert ServiceStatus.objects.get(service=service).pid == 4712


def test_a_row_that_the_database_refuses_is_dropped_and_the_others_are_written(
    store: Store, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = make_service("bad"), make_service("good")
    declared = {one.spec.key: one for one in begin(store, loop)}
    store.queue.put(replace(declared["bad"].status, restarts=-1))
    store.queue.put(transition(bad))
    store.queue.put(replace(declared["good"].status, pid=4711))
    eventually(lambda: ServiceStatus.objects.get(service=good).pid == 4711, "the good row is written")
    assert Transition.objects.filter(service=bad).count() == 1
    assert ServiceStatus.objects.get(service=bad).restarts == 0
    assert "Dropped a row" in caplog.text


def test_a_run_that_was_started_right_after_the_take_over_is_not_taken_for_a_lost_one(
    store: Store, loop: Loop
) -> None:
    service = make_service()
    store.start()
    (declared,) = store.opening.result(timeout=10).declared
    gathering = threading.Event()
    gather = store._gather

    def connected_meanwhile() -> None:
        """What the loop does while the store's thread gathers the rows of its next batch."""
        if not gathering.is_set():
            gathering.set()
            at = datetime.now(UTC)
            store.connect(loop, now_call, TakenOver(at, ()))
            begun = at + timedelta(microseconds=1)
            store.queue.put(
                RunRow(str(uuid4()), service.pk, "x", 7, 0, "", ("x",), Reason.BOOT, begun, 0),
                replace(declared.status, pid=7),
            )
        gather()

    store._gather = connected_meanwhile  # type: ignore[method-assign]
    store.queue.put(declared.status)
    eventually(lambda: ServiceStatus.objects.get(service=service).pid == 7, "the status is written")
    store.close()
    assert Run.objects.get(service=service).ended_at is None


def test_an_operation_is_claimed_told_about_and_ended(store: Store, loop: Loop) -> None:
    service = make_service()
    begin(store, loop)
    operation = request_action(service, "stop", TESTER, force=True)
    eventually(lambda: loop.orders, "it is delivered")
    assert loop.orders == [Order(operation.pk, "service.stop", service.key, force=True)]
    store.queue.put(Progress(operation.pk, "stopping pid 1"))
    eventually(
        lambda: Operation.objects.get(pk=operation.pk).progress_message == "stopping pid 1",
        "it is told about",
    )
    store.queue.put(Finish(operation.pk, "SUCCESS"))
    eventually(lambda: Operation.objects.get(pk=operation.pk).status == "SUCCESS", "it is ended")


def test_an_operation_that_nobody_took_in_time_is_ended_by_the_supervisor_itself(
    store: Store, loop: Loop
) -> None:
    """Where no operations worker runs, nobody else would, and its service would take no other operation."""
    service = make_service()
    operation = request_action(service, "stop", TESTER)
    Operation.objects.filter(pk=operation.pk).update(deadline_at=datetime.now(UTC) - timedelta(seconds=1))
    begin(store, loop)
    eventually(lambda: Operation.objects.get(pk=operation.pk).status == "TIMEOUT", "it is ended")
    assert loop.orders == []


def test_whoever_sees_an_operation_ended_sees_the_status_too(store: Store, loop: Loop) -> None:
    service = make_service()
    (declared,) = begin(store, loop)
    operation = request_action(service, "start", TESTER)
    eventually(lambda: loop.orders, "it is delivered")
    store.queue.put(replace(declared.status, state=State.RUNNING))
    store.queue.put(Finish(operation.pk, "SUCCESS"))
    eventually(lambda: Operation.objects.get(pk=operation.pk).status == "SUCCESS", "it is ended")
    assert ServiceStatus.objects.get(service=service).state == "RUNNING"


def test_an_operation_on_a_brand_new_service_comes_after_its_declaration(store: Store, loop: Loop) -> None:
    begin(store, loop)
    service = make_service("brand-new")
    request_action(service, "start", TESTER)
    eventually(lambda: loop.orders, "it is delivered")
    assert loop.declared == ["brand-new"]


def test_what_others_end_or_want_cancelled_is_delivered(store: Store, loop: Loop) -> None:
    one, two = make_service("one"), make_service("two")
    begin(store, loop)
    ended = request_action(one, "start", TESTER)
    asked = request_action(two, "start", TESTER)
    eventually(lambda: len(loop.orders) == 2, "both are delivered")
    request_cancel(Operation.objects.get(pk=asked.pk), TESTER)
    request_action(one, "stop", TESTER)
    eventually(lambda: asked.pk in loop.cancelled, "the cancellation is delivered")
    eventually(lambda: ended.pk in loop.lost, "the superseded one is given up")
    store.queue.put(Finish(ended.pk, "SUCCESS"))
    store.queue.put(Finish(asked.pk, "CANCELLED", "cancelled", "As asked."))
    eventually(lambda: Operation.objects.get(pk=asked.pk).status == "CANCELLED", "it is cancelled")
    assert Operation.objects.get(pk=ended.pk).error_code == "superseded"


def test_declarations_are_delivered_as_they_change(store: Store, loop: Loop) -> None:
    old = make_service("old")
    begin(store, loop)
    make_service("new")
    eventually(lambda: loop.declared == ["new"], "the new one is delivered")
    pk = old.pk
    old.delete()
    eventually(lambda: loop.gone == {pk}, "the deleted one is delivered")


def test_a_stolen_node_is_told_and_nothing_is_written_any_more(store: Store, loop: Loop) -> None:
    service = make_service()
    (declared,) = begin(store, loop)
    Node.objects.update(epoch=50)
    store.queue.put(replace(declared.status, pid=1))
    eventually(lambda: loop.message, "the loop is told")
    assert "has taken node testnode over" in loop.message
    store.close()
    assert ServiceStatus.objects.get(service=service).pid is None
    assert Node.objects.get().supervisor_pid is not None


def test_a_heartbeat_comes_without_anything_to_write(store: Store, loop: Loop) -> None:
    begin(store, loop)
    first = Node.objects.get().heartbeat_at
    eventually(lambda: Node.objects.get().heartbeat_at != first, "the node reports again")


def test_what_prepares_runs_before_declarations_are_read_and_its_errors_are_told() -> None:
    made = Store("testnode", prepare=lambda: make_service("prepared"))
    try:
        made.start()
        assert [one.spec.key for one in made.opening.result(10).declared] == ["prepared"]
    finally:
        made.close()

    def fails() -> None:
        raise ValueError("no good")

    broken = Store("testnode", prepare=fails)
    try:
        broken.start()
        with pytest.raises(ValueError, match="no good"):
            broken.opening.result(10)
    finally:
        broken.close()
