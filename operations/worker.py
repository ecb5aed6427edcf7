"""The operations worker as a whole: an executor for each queue that it serves, begun and ended together."""

import threading
from collections.abc import Callable

from operations import queues
from operations.executor import Executor
from operations.registry import WORKER_QUEUE


class Worker:
    """Serves the worker's own queue and every declared one, each with threads of its own."""

    def __init__(self, *, threads: int = 4, grace_seconds: float = 8.0) -> None:
        """Prepare; nothing runs yet. ``threads`` are those of the worker's own queue."""
        wanted = {WORKER_QUEUE: threads} | queues.declared()
        self._executors = {
            name: Executor(queue_name=name, threads=count, grace_seconds=grace_seconds)
            for name, count in wanted.items()
        }
        self._stopped = threading.Event()

    @property
    def owner(self) -> str:
        """Return the name by which the worker holds what is in its own queue."""
        return self._executors[WORKER_QUEUE].owner

    def run(self, *, drain: bool = False) -> int:
        """Serve all queues until :meth:`stop`, with ``drain`` until nothing waits in any of them.

        Returns how many operations had to be abandoned. Where one executor fails, the others are stopped,
        and its exception is raised.
        """
        abandoned: list[int] = []
        failures: list[BaseException] = []

        def serve(executor: Executor) -> None:
            try:
                abandoned.append(executor.run(drain=drain))
            except BaseException as error:
                failures.append(error)
                self.stop()

        threads = [
            threading.Thread(target=serve, args=(executor,), name=f"executor-{name}", daemon=True)
            for name, executor in self._executors.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return sum(abandoned)

    def run_one(self) -> int:
        """Carry out one operation at most, of whichever queue; return 1 where it had to be abandoned."""
        for executor in self._executors.values():
            if self._stopped.is_set():
                break
            abandoned = executor.run(drain=True, most=1)
            if executor.taken:
                return abandoned
        return 0

    def stop(self) -> None:
        """Claim nothing more, let running work end within the grace."""
        self._stopped.set()
        self._tell(lambda executor: executor.stop())

    def force(self) -> None:
        """Cut the grace short: what still runs is marked FAILED now."""
        self._stopped.set()
        self._tell(lambda executor: executor.force())

    def _tell(self, what: Callable[[Executor], None]) -> None:
        for executor in self._executors.values():
            what(executor)
