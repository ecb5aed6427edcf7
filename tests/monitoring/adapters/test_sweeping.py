"""What is left of a run is ended; whether anything can be is found out without a pass over all processes."""

import os
from collections.abc import Mapping

import pytest

from monitoring.supervisor.identity import Identity, boot_id, read_stat
from monitoring.supervisor.proctable import MarkerCache, ProcTable
from monitoring.supervisor.sweeper import Sweeper
from tests.monitoring.adapters.conftest import Spawner, exit_of, gone
from tests.running import wait_for

OURS = Identity(500, 1000, boot_id(), "ours")


class Sweep:
    """A sweep of one run that we have started, beside the orphans that a test names."""

    def __init__(self, orphans: Mapping[int, int], cache: MarkerCache, identity: Identity = OURS) -> None:
        self.gone: list[str] = []
        self.sweeper = Sweeper(
            cache,
            lambda key, run_id: self.gone.append(run_id),
            lambda seconds, then: None,
            lambda: None,
            lambda: orphans,
        )
        self.sweeper.sweep("it", identity, ours=True)
        self.sweeper.look({})


@pytest.fixture
def no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pass over all processes fail the test."""
    monkeypatch.setattr(ProcTable, "read", lambda: pytest.fail("looked at all processes"))


@pytest.mark.usefixtures("no_pass")
@pytest.mark.parametrize(
    ("orphans", "known"),
    [
        ({}, {}),
        ({700: 2000}, {(700, 2000): "another"}),
        ({700: 999}, {}),
        ({700: 999, 701: 2000}, {(701, 2000): "another"}),
    ],
    ids=["nobody", "of another run", "older than the run", "both"],
)
def test_orphans_of_others_do_not_keep_a_run_waiting(
    orphans: dict[int, int], known: dict[tuple[int, int], str]
) -> None:
    assert Sweep(orphans, MarkerCache(known)).gone == ["ours"]


@pytest.mark.parametrize(
    ("orphans", "known"),
    [
        ({700: 1000}, {}),
        ({700: 2000}, {(700, 2000): ""}),
        ({700: 2000}, {(700, 2000): "ours"}),
        ({700: 2000}, {(700, 1999): "another"}),
    ],
    ids=["of the same tick", "without a mark", "its own", "another process by now"],
)
def test_one_that_may_be_its_own_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, orphans: dict[int, int], known: dict[tuple[int, int], str]
) -> None:
    looked: list[int] = []
    read = ProcTable.read
    monkeypatch.setattr(ProcTable, "read", lambda: looked.append(1) or read())  # type: ignore[func-returns-value]
    assert Sweep(orphans, MarkerCache(known)).gone == ["ours"]
    assert looked


def test_its_own_orphan_is_ended_before_it_counts_as_gone(spawner: Spawner) -> None:
    process = spawner.program("escapee.py", "daemon")
    [escaped] = spawner.pids(1)
    entry = read_stat(escaped)
    assert entry is not None
    os.kill(process.identity.pid, 9)
    exit_of(process)
    sweep = Sweep({escaped: entry.start_ticks}, MarkerCache(), process.identity)
    assert sweep.gone == []
    wait_for(lambda: gone(escaped), 5, "it is ended")
    sweep.sweeper.look({})
    assert sweep.gone == [process.identity.run_id]
