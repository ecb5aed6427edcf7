"""Asks django-tasks-db for tasks that do nothing; see :mod:`tests.benchmarks.operation_peers.asking`."""

import itertools

import django

from tests.benchmarks.operation_peers.asking import answer_orders


def main() -> None:
    """Ask one by one with ``enqueue``; have many waiting with one insert."""
    django.setup()
    from django_tasks_db.models import DBTaskResult  # type: ignore[import-not-found]

    from tests.benchmarks.operation_peers.tasks_noop import noop

    numbers = itertools.count(1)

    def ask() -> int:
        number = next(numbers)
        noop.enqueue(number)
        return number

    def have_waiting(count: int) -> None:
        noop.enqueue(next(numbers))
        like = DBTaskResult.objects.get()
        DBTaskResult.objects.bulk_create(
            [
                DBTaskResult(
                    args_kwargs={"args": [next(numbers)], "kwargs": {}},
                    task_path=like.task_path,
                    run_after=like.run_after,
                    backend_name=like.backend_name,
                )
                for _ in range(count - 1)
            ],
            batch_size=500,
        )

    answer_orders(ask, have_waiting)


if __name__ == "__main__":
    main()
