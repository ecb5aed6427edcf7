"""Asks procrastinate for jobs that do nothing; see :mod:`tests.benchmarks.operation_peers.asking`."""

import itertools

from tests.benchmarks.operation_peers.asking import answer_orders
from tests.benchmarks.operation_peers.procrastinate_site import app, noop


def main() -> None:
    """Ask one by one with ``defer``; have many waiting with ``batch_defer``."""
    numbers = itertools.count(1)

    def ask() -> int:
        number = next(numbers)
        noop.defer(number=number)
        return number

    def have_waiting(count: int) -> None:
        noop.batch_defer(*({"number": next(numbers)} for _ in range(count)))

    with app.open():
        answer_orders(ask, have_waiting)


if __name__ == "__main__":
    main()
