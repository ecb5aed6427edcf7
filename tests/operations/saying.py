"""Lets handlers say something, and reads what was kept of it."""

from collections.abc import Callable

from operations import lifecycle
from operations.executor import Executor
from operations.job import Job
from operations.log_reading import read_all
from operations.models import Operation
from tests.operations.asking import ask, declare, running, wait_until_ended


def carried_out(handler: Callable[[Job], None]) -> Operation:
    """Return an operation that an executor has carried out with ``handler``."""
    declare(handler=handler)
    operation = ask()
    with running(Executor(threads=1)):
        return wait_until_ended(operation)


def texts(operation: Operation) -> list[str]:
    return [line.text for line in read_all(operation.pk)]


def claimed() -> Operation:
    """Return an operation that somebody carries out."""
    ask()
    (operation,) = lifecycle.claim("worker", "somebody")
    return operation
