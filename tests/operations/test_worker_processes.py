"""Real worker processes: two at one queue, one that is stopped, one that is killed, a database that fails."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from monitoring.models import Service
from operations import lifecycle
from operations.models import Operation
from operations.registry import Kind, register
from operations.states import Status
from tests.operations.asking import ALICE, ask
from tests.running import Instance, RunningProcess
from tests.silent_listener import silent_listener
from workstations.actions import request_action
from workstations.models import Workstation

pytestmark = pytest.mark.both_databases


def start_worker(instance: Instance, *arguments: str) -> RunningProcess:
    worker = instance.start("run_operations", *arguments)
    instance.wait_for(lambda: "is ready" in worker.output() or not worker.alive, 20, "the worker is ready")
    assert worker.alive, worker.output()
    return worker


def row(operation: Operation) -> Operation:
    return Operation.objects.get(pk=operation.pk)


@contextmanager
def operation_under_way(instance: Instance) -> Iterator[Operation]:
    """Have the worker connect to a port that does not answer, which takes it five seconds."""
    with silent_listener() as port, instance.database():
        workstation = Workstation.objects.create(name="quiet", host="127.0.0.1", port=port)
        asked = request_action(workstation, "test-connection", ALICE)
        instance.wait_for(lambda: row(asked).status == Status.RUNNING, 10, "the operation runs")
        yield asked


def test_two_workers_at_one_queue_do_each_operation_once(instance: Instance, tmp_path: Path) -> None:
    with instance.database():
        register(Kind("service.note", "Note", Service, "start"))
        asked = {ask("service.note", f"s{n}").pk for n in range(100)}
        command = [sys.executable, "-m", "tests.operations.racing_worker", str(tmp_path)]
        workers = [instance.start_command(command, name=f"worker-{n}") for n in range(2)]
        instance.wait_for(lambda: len(list(tmp_path.glob("ready-*"))) == 2, 20, "both are at the start")
        (tmp_path / "go").touch()
        for worker in workers:
            assert worker.wait(40) == 0, worker.output()
        done = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
        assert sorted(int(pk) for pk, _ in done) == sorted(asked)
        assert {int(pid) for _, pid in done} == {worker.pid for worker in workers}, "One did all the work."
        assert set(Operation.objects.values_list("status", "lease_token")) == {("SUCCESS", 1)}


def test_an_idle_worker_ends_at_once_when_asked(instance: Instance) -> None:
    worker = start_worker(instance)
    assert worker.stop(20) == 0, worker.output()
    assert "Traceback" not in worker.output()


def test_a_stopped_worker_ends_what_outlasts_its_grace(instance: Instance) -> None:
    worker = start_worker(instance, "--grace-seconds", "0.2")
    with operation_under_way(instance) as asked:
        assert worker.stop(20) == 1, worker.output()
        ended = row(asked)
        assert (ended.status, ended.error_code) == (Status.FAILED, "worker-stopped")
        assert f"peration {asked.pk} " in worker.output()


def test_a_second_signal_cuts_the_grace_short(instance: Instance) -> None:
    worker = start_worker(instance, "--grace-seconds", "60")
    with operation_under_way(instance) as asked:
        worker.signal(signal.SIGINT)
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 1, worker.output()
        assert row(asked).error_code == "worker-stopped"


def test_what_a_killed_worker_held_ends_as_lease_lost_and_is_not_run_again(instance: Instance) -> None:
    worker = start_worker(instance)
    with operation_under_way(instance) as asked:
        worker.kill()
        assert row(asked).status == Status.RUNNING
        assert lifecycle.reap(timezone.now()) == 0
        assert lifecycle.reap(timezone.now() + timedelta(seconds=31)) == 1
        assert (row(asked).status, row(asked).error_code) == (Status.FAILED, "lease-lost")
        follower = instance.manage("run_operations", "--drain")
        assert follower.returncode == 0, follower.stderr
        assert row(asked).lease_token == 1


def test_the_reaper_of_a_running_worker_ends_what_another_one_left(instance: Instance) -> None:
    with instance.database():
        register(Kind("service.note", "Note", Service, "start"))
        asked = ask("service.note")
        lifecycle.claim("worker", "worker:elsewhere:1", lease_seconds=-1)
        start_worker(instance)
        instance.wait_for(lambda: row(asked).finished_at, 10, "the reaper has come by")
        assert row(asked).error_code == "lease-lost"


def test_a_worker_outlives_a_database_that_fails(instance: Instance) -> None:
    worker = start_worker(instance)
    with instance.database(), database_away():
        instance.wait_for(lambda: "database is away" in worker.output(), 10, "the worker notices")
        assert worker.alive
    with instance.database(), socket.create_server(("127.0.0.1", 0)) as listener:
        workstation = Workstation.objects.create(
            name="there", host="127.0.0.1", port=listener.getsockname()[1]
        )
        asked = request_action(workstation, "test-connection", ALICE)
        instance.wait_for(lambda: row(asked).finished_at, 15, "it works again")
        assert row(asked).status == Status.SUCCESS
    assert worker.stop(20) == 0, worker.output()


@contextmanager
def database_away() -> Iterator[None]:
    """PostgreSQL: end every connection and accept none. SQLite: take the table away."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE operations_operation RENAME TO taken_away")
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE taken_away RENAME TO operations_operation")
        return
    name = connection.settings_dict["NAME"]
    connection.close()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
