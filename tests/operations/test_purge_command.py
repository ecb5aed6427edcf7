"""``manage.py purge_operations`` as cron runs it: real processes, what they print, how they end."""

import os
import re
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from operations.models import ChoreRun, Operation
from operations.purge_operation import KIND, ask_for_purge
from operations.states import Status
from tests.benchmarks.seeding import History, seed_history
from tests.operations.asking import ALICE
from tests.operations.rows import made
from tests.running import Instance, RunningProcess, free_port

pytestmark = pytest.mark.both_databases

ROWS = 600
SLOWLY = ("--batch-size", "1")
"""So that there is time to do something in the middle."""


def others() -> int:
    return Operation.objects.exclude(kind=KIND).count()


def purges() -> list[Operation]:
    return list(Operation.objects.filter(kind=KIND).order_by("id"))


def in_the_middle(instance: Instance) -> RunningProcess:
    """Start a purge and return once it has deleted some of the rows and not all."""
    process = instance.start("purge_operations", *SLOWLY)
    instance.wait_for(lambda: others() < ROWS - 5 or not process.alive, 20, "it deletes")
    assert process.alive, process.output()
    assert others() > 50
    return process


def test_cron_hears_one_line_and_the_audit_shows_who_it_was(instance: Instance) -> None:
    with instance.database():
        seed_history(History(ROWS, lines=2))
        made("young")
    done = instance.manage("purge_operations", "--keep-hours", "1.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Deleted {ROWS} finished operations older than 1.5 h.\n"
    silent = instance.manage("purge_operations", "--verbosity", "0")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
    with instance.database():
        assert others() == 1
        first, second = purges()
        assert (first.source, first.status, first.progress_message) == (
            "command",
            "SUCCESS",
            f"{ROWS} deleted",
        )
        assert first.requester
        assert first.queue.startswith(f"command:{instance.env['MEDIMGR_NODE']}:")
        assert second.progress_message == "0 deleted"


def test_a_dry_run_and_the_status_change_nothing(instance: Instance) -> None:
    with instance.database():
        seed_history(History(ROWS, lines=1, targets=10))
        made("young", Status.PENDING)
        last = made("finished", kind=KIND, target_type="operations", progress_message="12 deleted")
        ChoreRun.objects.create(name="operations.purge", next_at=timezone.now() + timedelta(seconds=60))
    dry = instance.manage("purge_operations", "--dry-run", "--keep-per-target", "4")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert dry.stdout == (
        f"Would delete {ROWS - 40} finished operations older than 1 h, but for the newest 4 of each target.\n"
    )
    status = instance.manage("purge_operations", "--status")
    assert (status.returncode, status.stderr) == (0, "")
    lines = dict(re.split(r":\s+", line, maxsplit=1) for line in status.stdout.splitlines())
    assert "1 pending" in lines["Stored"]
    assert re.search(r"\d+ success", lines["Stored"])
    assert lines["Oldest"].startswith("operation 1, ended ")
    assert lines["Would go"] == f"{ROWS} that ended more than 1 h ago."
    assert lines["Last purge"].startswith(f"operation {last.pk}, asked for by alice")
    assert lines["Last purge"].endswith("success. 12 deleted")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+\.", lines["Next chore"])
    with instance.database():
        assert others() == ROWS + 1
        assert len(purges()) == 1


def test_a_purge_that_was_killed_is_found_out_and_the_next_one_does_the_rest(instance: Instance) -> None:
    with instance.database():
        seed_history(History(ROWS, lines=1))
        in_the_middle(instance).kill()
        left = others()
        assert 0 < left < ROWS
        [killed] = purges()
        assert killed.status == Status.RUNNING
        busy = instance.manage("purge_operations")
        assert busy.returncode == 75, busy.stderr
        assert f"operation {killed.pk}" in busy.stderr
        assert others() == left
        # As if a minute had passed: nobody renews its lease.
        Operation.objects.filter(pk=killed.pk).update(lease_until=timezone.now() - timedelta(seconds=40))
        done = instance.manage("purge_operations")
        assert (done.returncode, done.stdout) == (
            0,
            f"Deleted {left} finished operations older than 1 h.\n",
        ), done.stderr
        lost, repeated, last = purges()
        assert (lost.status, lost.error_code) == (Status.FAILED, "lease-lost")
        assert (repeated.retry_of_id, repeated.error_code) == (lost.pk, "superseded")
        assert last.status == Status.SUCCESS
        assert others() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_it_and_what_is_done_stays_done(instance: Instance, number: signal.Signals) -> None:
    with instance.database():
        seed_history(History(ROWS, lines=0))
        process = in_the_middle(instance)
        process.signal(number)
        assert process.wait(10) == 1
        [ended] = purges()
        assert (ended.status, ended.error_code) == (Status.CANCELLED, "cancelled"), process.output()
        assert ended.progress_message == f"{ROWS - others()} deleted"
        assert f"Operation {ended.pk} " in process.output()
        assert "cancelled" in process.output()
        assert "Traceback" not in process.output()
        assert 0 < others() < ROWS


def test_somebody_cancels_it_from_elsewhere(instance: Instance) -> None:
    with instance.database():
        seed_history(History(ROWS, lines=0))
        process = in_the_middle(instance)
        cancelled = instance.manage("operations", "cancel", str(purges()[0].pk))
        assert cancelled.returncode == 0, cancelled.stderr
        assert process.wait(10) == 1
        assert purges()[0].status == Status.CANCELLED
        assert others() > 0


def test_one_that_waits_for_a_worker_that_never_comes_gives_way(instance: Instance) -> None:
    with instance.database():
        made(ago=timedelta(hours=2))
        waiting = ask_for_purge(ALICE, keep_hours=5)
        done = instance.manage("purge_operations")
        assert (done.returncode, done.stdout) == (0, "Deleted 1 finished operation older than 1 h.\n")
        waiting.refresh_from_db()
        assert (waiting.status, waiting.error_code) == (Status.CANCELLED, "superseded")


def test_a_database_that_is_away_ends_it_with_a_message(tmp_path: Path) -> None:
    if os.environ.get("MEDIMGR_TEST_DATABASE") == "postgresql":
        url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    else:
        url = f"sqlite:///{tmp_path / 'not' / 'there' / 'at-all.sqlite3'}"
    instance = Instance(tmp_path / "away", database_url=url)
    began = time.monotonic()
    for arguments in ([], ["--dry-run"], ["--status"]):
        failed = instance.manage("purge_operations", *arguments)
        assert (failed.returncode, failed.stdout) == (1, ""), arguments
        assert "database: The database could not be used" in failed.stderr
        assert "Traceback" not in failed.stderr
    assert time.monotonic() - began < 30


def test_bad_options_end_with_status_2(instance: Instance) -> None:
    for arguments in (["--keep-hours", "-1"], ["--status", "--dry-run"]):
        refused = instance.manage("purge_operations", *arguments)
        assert (refused.returncode, refused.stdout) == (2, ""), arguments
        assert refused.stderr
        assert "Traceback" not in refused.stderr
