"""Asks medimgr for operations that do nothing; see :mod:`tests.benchmarks.operation_peers.asking`."""

import itertools

import django

from tests.benchmarks.operation_peers.apps import KIND
from tests.benchmarks.operation_peers.asking import answer_orders


def main() -> None:
    """Ask by the same function as page, API and commands do."""
    django.setup()
    from operations.intake import request_operation
    from operations.models import Operation
    from operations.registry import WORKER_QUEUE
    from operations.requester import Requester
    from tests.benchmarks.seeding import seed_waiting

    requester = Requester("benchmark", "command")
    numbers = itertools.count(1)

    def ask() -> int:
        key = f"asked-{next(numbers)}"
        return request_operation(KIND, Operation(), key, queue=WORKER_QUEUE, requester=requester).pk

    def have_waiting(count: int) -> None:
        seed_waiting(count, KIND)

    answer_orders(ask, have_waiting)


if __name__ == "__main__":
    main()
