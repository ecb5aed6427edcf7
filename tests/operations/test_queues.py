"""A declared queue has threads of its own in every operations worker, and ends with it."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from operations import queues, words
from operations.job import Job
from operations.models import Operation
from operations.states import Status
from operations.worker import Worker
from tests.operations.asking import ask, declare, fresh, in_thread, wait_until_ended
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
SLOW = "slow-machines"


@pytest.fixture(autouse=True)
def slow_queue() -> Iterator[None]:
    """Declare a queue with three threads, and no other."""
    before = queues.declared()
    for name in before:
        queues.forget(name)
    queues.declare(SLOW, lambda: 3)
    yield
    queues.forget(SLOW)
    for name, threads in before.items():
        queues.declare(name, partial(int, threads))


def count(status: Status) -> int:
    return Operation.objects.filter(status=status).count()


def test_what_is_slow_in_one_queue_holds_up_nothing_in_another() -> None:
    released = threading.Event()

    def slow(_: Job) -> None:
        released.wait(20)

    declare("service.slow", handler=slow)
    declare("service.quick", handler=lambda _: None)
    asked = [ask("service.slow", f"s{number}", queue=SLOW) for number in range(5)]
    worker = Worker(threads=1)
    thread = in_thread(worker.run)
    try:
        wait_for(lambda: count(Status.RUNNING) == 3, 10, "its own threads are busy, all of them")
        assert wait_until_ended(ask("service.quick", "quick"), 10).status == Status.SUCCESS
        assert (count(Status.RUNNING), count(Status.PENDING)) == (3, 2)
        released.set()
        assert {wait_until_ended(operation).status for operation in asked} == {"SUCCESS"}
    finally:
        released.set()
        worker.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_a_drained_worker_leaves_nothing_in_any_queue() -> None:
    declare("service.quick", handler=lambda _: None)
    asked = [ask("service.quick", f"a{number}", queue=SLOW) for number in range(10)]
    asked += [ask("service.quick", f"b{number}") for number in range(10)]
    assert Worker(threads=2).run(drain=True) == 0
    assert {fresh(operation).status for operation in asked} == {"SUCCESS"}


def test_one_operation_is_one_whichever_queue_it_is_in() -> None:
    declare("service.quick", handler=lambda _: None)
    for queue in (SLOW, "worker"):
        ask("service.quick", f"{queue}-1", queue=queue)
        ask("service.quick", f"{queue}-2", queue=queue)
    for done in range(1, 5):
        assert Worker().run_one() == 0
        assert count(Status.SUCCESS) == done
    assert Worker().run_one() == 0


def test_a_stop_that_is_cut_short_abandons_what_runs_in_every_queue() -> None:
    def stubborn(job: Job) -> None:
        threading.Event().wait(3)
        job.check_cancelled()

    declare("service.stubborn", handler=stubborn)
    asked = [ask("service.stubborn", "a", queue=SLOW), ask("service.stubborn", "b")]
    worker = Worker(grace_seconds=60)
    abandoned: list[int] = []
    thread = in_thread(lambda: abandoned.append(worker.run()))
    wait_for(lambda: count(Status.RUNNING) == 2, 10, "both run")
    worker.stop()
    worker.force()
    thread.join(10)
    assert abandoned == [2]
    assert {fresh(operation).error_code for operation in asked} == {"worker-stopped"}


def test_it_is_called_the_operations_worker_where_something_waits_for_it() -> None:
    assert words.server(SLOW) == "operations worker"
    assert words.server("nobody's") == "server of queue nobody's"
