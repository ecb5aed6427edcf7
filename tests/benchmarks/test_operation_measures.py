"""The benchmark's instruments see what is there to see: a long transaction, a handler, a missed target."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import transaction

from tests.benchmarks.operation_peers import transaction_times
from tests.benchmarks.operation_peers.starts import Starts
from tests.benchmarks.operation_targets import reached_table
from tests.running import ROOT, Instance

_HOLD_SECONDS = 0.3


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in which this process's transactions are written down."""
    for name in ("__enter__", "__exit__"):  # so that what the recorder puts there goes with the test
        monkeypatch.setattr(transaction.Atomic, name, getattr(transaction.Atomic, name))
    transaction_times.record(str(tmp_path / "transactions"))
    return tmp_path / "transactions"


@pytest.mark.django_db(transaction=True)
def test_only_outermost_transactions_are_timed_and_the_longest_is_found(recorded: Path) -> None:
    assert transaction_times.read(recorded) is None
    with transaction.atomic():
        pass
    with transaction.atomic(), transaction.atomic():
        time.sleep(0.05)  # this is the transaction that is to be found
    with pytest.raises(RuntimeError), transaction.atomic():
        raise RuntimeError("rolled back, and timed all the same")
    found = transaction_times.read(recorded)
    assert found is not None
    assert found.count == 3
    assert 50 <= found.longest_ms < 1000
    assert 10 < found.resident_at_first_mb < 2000


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_the_writer_that_waits_sees_how_long_another_holds_the_lock(instance: Instance) -> None:
    holding = (
        "import django, time; django.setup()\n"
        "from django.db import transaction\n"
        "from medimgr.events.log import publish\n"
        f"with transaction.atomic():\n    publish('service', 'x', {{}}); time.sleep({_HOLD_SECONDS})"
    )

    def longest(*, with_holder: bool) -> float:
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.operation_peers.waiting_writer"],
            cwd=ROOT,
            env=instance.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        if with_holder:
            subprocess.run(
                [sys.executable, "-c", holding], cwd=ROOT, env=instance.env, check=True, timeout=30
            )
        told, _ = writer.communicate(timeout=30)
        count, waited = told.split()
        assert int(count) >= 1
        return float(waited)

    assert longest(with_holder=True) >= 1e3 * _HOLD_SECONDS * 0.9
    assert longest(with_holder=False) < 1e3 * _HOLD_SECONDS * 0.9


def test_lines_are_read_as_they_come_and_half_a_line_is_waited_for(tmp_path: Path) -> None:
    starts = Starts(tmp_path / "starts")
    file = os.open(starts.path, os.O_WRONLY | os.O_APPEND)
    os.write(file, b"7 100\n8 2")
    assert starts.read() == {"7": 100}
    assert not starts.wait(lambda at: "8" in at, 0.02)
    os.write(file, b"00\n")
    os.close(file)
    assert starts.wait(lambda at: at.get("8") == 200, 1.0)


def test_a_target_that_is_missed_is_said_so_and_rivals_become_targets() -> None:
    figures = {
        "start SQLite": 61.0,
        "start PostgreSQL": 29.0,
        "throughput SQLite": 350.0,
        "django-tasks-db: throughput SQLite": 400.0,
        "page SQLite": 100.0,
    }
    lines = reached_table(figures, 1_000_000).splitlines()[2:]
    assert [line.split("|")[-2].strip() for line in lines] == ["**no**", "yes", "**no**", "yes", "yes"]
    assert "beside django-tasks-db, SQLite | at least 400 a second | 350" in lines[2]
    assert reached_table({}, 5) == ""
