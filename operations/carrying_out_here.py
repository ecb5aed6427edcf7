"""Carries out one operation in the process that asked for it: for commands, which work without a worker.

It has a queue of its own, so that no worker takes the operation, and otherwise all that a worker gives one:
a lease that is renewed, a deadline, cancelling, one true end.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import connections

from medimgr.lib.stop_signals import stop_signals
from operations import lifecycle
from operations.executor import Executor
from operations.models import Operation
from operations.requester import Requester
from operations.states import Status

AWAY_SECONDS = 20.0
"""So long the database may be away before the operation begins or after its end, until it is given up."""
_LOOK_SECONDS = 0.2
_SIGNAL = "a signal to the command"
_TOO_EARLY = "its command, which could not carry it out now"


def own_queue() -> str:
    """Return the name of a queue that only this process serves."""
    return f"command:{settings.MEDIMGR_NODE}:{os.getpid()}:{secrets.token_hex(4)}"


def carry_out_here(ask: Callable[[str], Operation]) -> Operation:
    """Carry out what ``ask``, called with the name of this process's queue, has asked for; return how it is.

    SIGTERM and SIGINT cancel the operation; a second one abandons it. Where the database is away for long, so
    that it can't begin or its end can't be stored, it is abandoned. Main thread only. Raises what ``ask``
    raises, and the database's errors.
    """
    queue = own_queue()
    operation = ask(queue)
    if operation.queue != queue:  # asked for before, by the same idempotency key
        return operation
    executor = Executor(queue, queue_name=queue, threads=1)
    with stop_signals() as signals:

        def cancel() -> None:
            executor.stop()
            for job in executor.held():
                job.cancel(_SIGNAL)

        def work() -> None:
            try:
                executor.run(drain=True, most=1)
            finally:
                connections.close_all()
                signals.done()

        worker = threading.Thread(target=work, name="operation", daemon=True)
        watcher = threading.Thread(target=_watch, args=(executor, worker), name="watch", daemon=True)
        worker.start()
        watcher.start()
        signals.watch(cancel, executor.force)
        worker.join()
        watcher.join()
    operation = Operation.objects.get(pk=operation.pk)
    if operation.status == Status.PENDING:
        # Told to stop before it began, or too many of its kind are under way. Nobody else serves this queue.
        operation = lifecycle.request_cancel(operation, Requester(_TOO_EARLY, "system"))
    return operation


def _watch(executor: Executor, worker: threading.Thread) -> None:
    """Force the executor to end where for long nothing is carried out: the database is away then."""
    at_work = time.monotonic()
    while worker.is_alive():
        worker.join(_LOOK_SECONDS)
        if any(not job.returned for job in executor.held()):
            at_work = time.monotonic()
        elif time.monotonic() - at_work > AWAY_SECONDS:
            executor.force()
            return
