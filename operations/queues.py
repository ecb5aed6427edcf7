"""The queues that the operations worker serves besides its own, each with threads of its own.

So what is slow in one queue never holds up another. Apps above declare theirs in ``AppConfig.ready()``.
"""

from collections.abc import Callable

from operations.registry import WORKER_QUEUE

_threads: dict[str, Callable[[], int]] = {}


def declare(name: str, threads: Callable[[], int]) -> None:
    """Let every operations worker serve the queue ``name`` with as many threads as ``threads()`` says."""
    _threads[name] = threads


def forget(name: str) -> None:
    """Forget a queue. For tests."""
    _threads.pop(name, None)


def declared() -> dict[str, int]:
    """Return the threads of each declared queue by its name, without the worker's own queue."""
    return {name: threads() for name, threads in _threads.items()}


def served(name: str) -> bool:
    """Return whether the operations worker serves ``name``."""
    return name == WORKER_QUEUE or name in _threads
