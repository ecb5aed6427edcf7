"""Real processes count and report: a supervisor, what crashes under it, a worker, and their ends."""

import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from medimgr.tallies.counting import kept
from medimgr.tallies.models import ProcessReport
from medimgr.tallies.process_report import OPERATIONS, SUPERVISOR
from monitoring.tallies import PROBED, PROBES, RESTARTS
from tests.factories import make_service
from tests.running import Instance, RunningProcess, free_port

pytestmark = pytest.mark.both_databases
LISTENS = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(3600)"


def seen(instance: Instance, condition: Callable[[], Any], what: str) -> Any:
    def asked() -> Any:
        with instance.database():
            return condition()

    return instance.wait_for(asked, 20, what)


def reported(instance: Instance, kind: str, process: RunningProcess) -> ProcessReport:
    def found() -> ProcessReport | None:
        return ProcessReport.objects.filter(kind=kind, pid=process.pid).first()

    row = seen(instance, found, f"{kind} reports")
    assert isinstance(row, ProcessReport)
    return row


def test_a_supervisor_counts_restarts_and_probes_for_good(instance: Instance) -> None:
    port = free_port()
    with instance.database():
        make_service(
            "crasher", command=[sys.executable, "-c", "import time; time.sleep(0.3); raise SystemExit(3)"]
        )
        make_service(
            "listener",
            command=[sys.executable, "-c", LISTENS.format(port=port)],
            health_kind="tcp",
            health_port=port,
            health_interval_seconds=0.3,
        )
    supervisor = instance.start("supervise")
    row = reported(instance, SUPERVISOR, supervisor)
    assert row.figures["rss_bytes"] > 10_000_000
    assert row.figures["open_fds"] > 3
    assert row.figures["cpu_seconds"] > 0

    def restarts() -> float:
        return kept().get(RESTARTS.name, {}).get(("crasher", "crash"), 0.0)

    first = seen(instance, restarts, "a restart is counted")
    supervisor.signal(signal.SIGKILL)
    supervisor.wait(10)
    second = instance.start("supervise")
    seen(instance, lambda: restarts() > first, "the next supervisor goes on counting")
    assert second.stop() == 0
    with instance.database():
        counts = kept()
        assert counts[PROBES.name][("tcp", "ok")] >= 1
        assert PROBED.cumulated(counts, ("tcp",))[0][-1][1] >= 1
        assert ("listener", "crash") not in counts[RESTARTS.name]
        # Who ends takes its report back; who was killed could not, and is passed over once it is silent.
        assert list(ProcessReport.objects.values_list("pid", flat=True)) == [supervisor.pid]


def test_an_operations_worker_reports_and_takes_its_report_back(instance: Instance) -> None:
    worker = instance.start("run_operations")
    row = reported(instance, OPERATIONS, worker)
    assert row.figures["threads"] > 1
    assert worker.stop() == 0
    with instance.database():
        assert not ProcessReport.objects.exists()
