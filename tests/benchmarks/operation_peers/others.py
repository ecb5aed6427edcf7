"""The queues that medimgr's operations are measured against. None streams, has leases, or keeps an audit."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.operation_peers.queue_peer import QueuePeer
from tests.benchmarks.peers.python_peers import environment

_HERE = Path(__file__).parent
_PLACE = "tests.benchmarks.operation_peers"


class DjangoTasks(QueuePeer):
    """django-tasks-db: one process, one task at a time, which looks each second when it has nothing to do."""

    title = "django-tasks-db"
    name = "tasks"
    interval = "1"
    unfinished = (
        "SELECT count(*) FROM django_tasks_database_dbtaskresult WHERE status IN ('READY', 'RUNNING')"
    )

    def version(self) -> str:
        """Return the versions."""
        return _versions(self.name, "django-tasks-db", "django-tasks", "Django")

    def environment(self) -> Mapping[str, str]:
        """Return what its settings read."""
        return {**super().environment(), "DJANGO_SETTINGS_MODULE": f"{_PLACE}.tasks_site"}

    def prepare(self) -> None:
        """Migrate."""
        self.run([_program(self.name, "python"), "-m", "django", "migrate", "--verbosity", "0"])

    def worker(self) -> list[str]:
        """Return its worker's command, which would say two lines for each task otherwise."""
        options = ["--interval", self.interval, "--no-startup-delay", "--verbosity", "0"]
        return [_program(self.name, "python"), "-m", "django", "db_worker", *options]

    def asker(self) -> list[str]:
        """Return the command that asks."""
        return [_program(self.name, "python"), "-m", f"{_PLACE}.ask_tasks"]


class DjangoTasksOften(DjangoTasks):
    """The same, looking a hundred times a second."""

    title = "django-tasks-db, looking every 10 ms"
    interval = "0.01"
    works_alike = True


class Procrastinate(QueuePeer):
    """procrastinate: four asynchronous jobs at a time in one process, woken by NOTIFY."""

    title = "procrastinate"
    name = "procrastinate"
    engines = ("PostgreSQL",)
    unfinished = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"

    def version(self) -> str:
        """Return the versions."""
        return _versions(self.name, "procrastinate", "psycopg")

    def prepare(self) -> None:
        """Apply its schema."""
        self.run([*self._command(), "schema", "--apply"])

    def worker(self) -> list[str]:
        """Return its worker's command."""
        return [*self._command(), "worker", "--concurrency", "4"]

    def asker(self) -> list[str]:
        """Return the command that asks."""
        return [_program(self.name, "python"), "-m", f"{_PLACE}.ask_procrastinate"]

    def _command(self) -> list[str]:
        # As a module, so that it finds the app from the directory in which it is started.
        python = _program(self.name, "python")
        return [python, "-m", "procrastinate", "--app", f"{_PLACE}.procrastinate_site.app"]


def _program(name: str, program: str) -> str:
    return str(environment(name, _HERE / f"requirements-{name}.txt") / program)


def _versions(name: str, *packages: str) -> str:
    asked = (
        "import sys, importlib.metadata as m; print(', '.join(f'{p} {m.version(p)}' for p in sys.argv[1:]))"
    )
    found = subprocess.run(
        [_program(name, "python"), "-c", asked, *packages], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "?"
