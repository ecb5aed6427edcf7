"""A worker that is killed over a chore does not keep it: another one takes it over, and says so."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from operations.models import ChoreRun
from tests.running import Instance, RunningProcess

pytestmark = pytest.mark.both_databases


def test_a_chore_whose_worker_was_killed_goes_on_with_another(instance: Instance, tmp_path: Path) -> None:
    def begun() -> list[int]:
        path = tmp_path / "begun"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def start() -> RunningProcess:
        command = [sys.executable, "-m", "tests.operations.chore_worker", str(tmp_path)]
        return instance.start_command(command, name="chores")

    with instance.database():
        first, second = start(), start()
        instance.wait_for(begun, 20, "one of them does it")
        [holder] = begun()
        assert holder in (first.pid, second.pid)
        killed, other = (first, second) if first.pid == holder else (second, first)
        row = ChoreRun.objects.get(name="slow")
        assert row.owner == f"worker:test:{killed.pid}"
        # It is renewed as long as its holder lives, so that setting it back in time changes nothing.
        long_ago = timezone.now() - timedelta(seconds=5)
        soon = timezone.now() + timedelta(seconds=5)
        ChoreRun.objects.update(lease_until=soon)
        instance.wait_for(
            lambda: ChoreRun.objects.get().lease_until > soon + timedelta(seconds=10),  # type: ignore[operator]
            10,
            "it is renewed",
        )
        killed.kill()
        assert begun() == [killed.pid], "Nobody takes what is held."
        ChoreRun.objects.update(lease_until=long_ago)  # as if half a minute had passed
        instance.wait_for(lambda: len(begun()) == 2, 10, "the other one takes it over")
        assert begun()[1] == other.pid
        assert f"chore slow: worker:test:{killed.pid} died over it; it is taken over" in other.output()
        (tmp_path / "go").touch()
        instance.wait_for(lambda: ChoreRun.objects.get().owner == "", 10, "it is done")
        done = ChoreRun.objects.get()
        assert (done.result, done.error, done.failures) == (f"done by {other.pid}", "", 0)
        assert done.took_seconds is not None
        assert 0 < done.took_seconds < 30
        assert done.next_at > timezone.now() + timedelta(seconds=3000)
