"""Asks for operations the way the tests of operations need it, with as little as possible to say."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from monitoring.models import Service
from operations import registry
from operations.executor import Executor
from operations.intake import request_operation
from operations.job import Job
from operations.models import Operation
from operations.registry import WORKER_QUEUE, Kind
from operations.requester import Requester
from tests.factories import make_service
from tests.running import wait_for

ALICE = Requester("alice", "api")
BERTA = Requester("berta", "page")
WORK = "service.work"


def service(key: str = "backend") -> Service:
    """Return the service called ``key``, made where there is none."""
    return Service.objects.filter(key=key).first() or make_service(key)


def ask(
    kind: str = WORK, key: str = "backend", *, queue: str = WORKER_QUEUE, who: Requester = ALICE, **more: Any
) -> Operation:
    """Ask for ``kind`` on the service ``key``."""
    return request_operation(kind, service(key), key, queue=queue, requester=who, **more)


def declare(name: str = WORK, handler: Callable[[Job], None] | None = None, **more: Any) -> Kind:
    """Declare a kind of operation on services; the fixture ``kinds`` forgets it after the test."""
    kind = Kind(name, more.pop("label", "Work"), Service, more.pop("verb", "start"), handler=handler, **more)
    registry.register(kind)
    return kind


def fresh(operation: Operation) -> Operation:
    """Return the row as the database has it now."""
    return Operation.objects.get(pk=operation.pk)


def wait_until_ended(operation: Operation, timeout: float = 10.0) -> Operation:
    """Wait until the operation has ended and return it."""
    wait_for(lambda: fresh(operation).finished_at, timeout, f"operation {operation.pk} ends")
    return fresh(operation)


@contextmanager
def running(executor: Executor, **how: Any) -> Iterator[Executor]:
    """Run an executor in a thread; it is stopped, and gone, at the end of the block."""
    thread = in_thread(lambda: executor.run(**how))
    try:
        yield executor
    finally:
        executor.force()
        thread.join(10)
        assert not thread.is_alive(), "The executor did not end."


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    """Run ``work`` in a thread that closes its database connections."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment, each in a thread; return what each returned or raised, in order."""
    outcomes: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(place: int) -> None:
        start.wait(10)
        try:
            outcomes[place] = works[place]()
        except Exception as error:
            outcomes[place] = error

    threads = [in_thread(lambda place=place: run(place)) for place in range(len(works))]  # type: ignore[misc]
    end = time.monotonic() + 60
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
        assert not thread.is_alive(), "One of the threads hangs."
    return outcomes
