"""The task of django-tasks-db that does nothing."""

from django_tasks import task  # type: ignore[import-not-found]

from tests.benchmarks.operation_peers.noop import write_down


@task()  # type: ignore[untyped-decorator]
def noop(number: int) -> None:
    """Write down that it has begun."""
    write_down(number)
