"""Without the database services are looked after as before, and what happened is told when it is back."""

import contextlib
import itertools
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import connection

from monitoring.models import Node, Service, Transition
from tests.events.outage import outage
from tests.monitoring.supervision.ward import Ward

pytestmark = pytest.mark.both_databases


@contextlib.contextmanager
def no_writing(ward: Ward) -> Iterator[None]:
    """Nobody can write: the one lock of SQLite is taken, or PostgreSQL lets nobody in."""
    url = ward.instance.database_url
    if not url.startswith("sqlite"):
        connection.close()
        with outage(url):
            yield
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")


def pid_in_journal(ward: Ward, service: Service) -> int | None:
    """Return the pid from the supervisor's own disk, which does not need the database."""
    written = ward.journal(service)
    return written.pid if written is not None else None


def respawned(ward: Ward, service: Service, old: int | None) -> int | None:
    """Wait until there is another process than ``old``; return its pid."""

    def another() -> bool:
        return pid_in_journal(ward, service) not in (None, old)

    ward.wait(another, f"{service.key} is respawned")
    return pid_in_journal(ward, service)


def test_crashes_are_mended_meanwhile_and_the_history_is_complete_afterwards(ward: Ward) -> None:
    """Scenario 24."""
    ward.start()
    services = [
        ward.declare(backoff_base_seconds=0.02, backoff_cap_seconds=0.1, start_seconds=0.0) for _ in range(3)
    ]
    last = {service.key: ward.reaches(service, "RUNNING").pid for service in services}
    seen: dict[str, list[int | None]] = {key: [pid] for key, pid in last.items()}
    with no_writing(ward):
        for _ in range(4):
            for service in services:
                old = seen[service.key][-1]
                os.kill(old or 0, signal.SIGKILL)
                seen[service.key].append(respawned(ward, service, old))
        time.sleep(0.5)  # long enough for a write to have been tried and to have failed
        assert ward.running().alive
    for service in services:
        ward.reaches(service, "RUNNING", timeout=30, pid=seen[service.key][-1])
        assert ward.status(service).restarts == 4
        # Every life is there, each with its end, in order.
        runs = ward.runs(service)
        assert [run.pid for run in runs] == seen[service.key]
        assert [run.exit_signal for run in runs] == ["SIGKILL"] * 4 + [""]
        rows = list(Transition.objects.filter(service=service).order_by("id"))
        for earlier, later in itertools.pairwise(rows):
            assert earlier.to_state == later.from_state
            assert earlier.at <= later.at
        assert sum(row.to_state == "BACKOFF" for row in rows) == 4
    assert Node.objects.get().is_supervised(Node.objects.get().heartbeat_at or rows[-1].at)


def test_a_stop_of_the_supervisor_does_not_hang_on_a_database_that_is_away(ward: Ward) -> None:
    ward.start()
    service = ward.declare()
    ward.reaches(service, "RUNNING")
    with no_writing(ward):
        began = time.monotonic()
        assert ward.running().stop(timeout=30) == 0
        assert time.monotonic() - began < 25
        assert ward.processes(service) == []
    # The database believes that it runs; the next supervisor finds out and starts it.
    ward.start()
    old = ward.runs(service)[0].pid
    status = ward.comes_back(service, old)
    assert [process.pid for process in ward.processes(service)] == [status.pid]


def test_a_supervisor_waits_for_a_database_that_is_not_there_yet(ward: Ward) -> None:
    service = ward.declare()
    connection.close()
    with outage(ward.instance.database_url):
        ward.supervisor = ward.instance.start("supervise")
        ward.instance.wait_for(
            lambda: "waiting for it" in ward.running().output(), 20, "it says that it waits"
        )
        assert ward.running().alive
    ward.reaches(service, "RUNNING", timeout=20)


def test_a_database_without_tables_is_named_with_the_remedy(ward: Ward) -> None:
    empty = ward.instance.directory / "empty.sqlite3"
    sqlite3.connect(empty).close()
    process = ward.instance.start("supervise", DATABASE_URL=f"sqlite:///{empty}")
    assert process.wait(20) == 1
    assert "manage.py migrate" in process.output()
    assert "Traceback" not in process.output()
