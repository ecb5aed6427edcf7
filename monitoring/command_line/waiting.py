"""Waits at the shell for operations on services to end, as long as their nodes are supervised."""

from collections.abc import Callable, Sequence

from django.utils import timezone

from monitoring.models import Node
from operations import waiting, words
from operations.models import Operation
from operations.waiting import POLL_SECONDS, Say

__all__ = ["POLL_SECONDS", "Say", "wait"]
_DONE = {"start": "started", "stop": "stopped", "restart": "restarted"}


def wait(operations: Sequence[Operation], verb: str, timeout: float, say: Say) -> int:
    """Return how many of the operations have succeeded once all have ended or ``timeout`` seconds passed.

    Each that ends, makes progress or is given up on is told through ``say``. Stops waiting for a node
    whose supervisor falls silent. Two queries every fifth of a second.
    """
    return waiting.wait(
        operations,
        timeout,
        say,
        name=lambda operation: operation.target_key,
        done=_DONE.get(verb, "done"),
        look="manage.py services status",
        hopeless=_silent,
    )


def _silent() -> Callable[[Operation], str]:
    """Return what says of an operation that nobody reports for its node. One query."""
    now = timezone.now()
    supervised = {node.name for node in Node.objects.all() if node.is_supervised(now)}

    def why(operation: Operation) -> str:
        node = operation.queue.removeprefix("node:")
        if node in supervised:
            return ""
        return (
            f"the supervisor of node {node} does not report any more. "
            f"Operation {operation.pk} stays requested until {words.clock_time(operation.deadline_at)}."
        )

    return why
