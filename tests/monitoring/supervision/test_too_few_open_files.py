"""A supervisor that may not open enough files to take everything over leaves everything as it is."""

import sys

import psutil
import pytest

from monitoring.models import Node
from tests.monitoring.supervision.ward import Ward
from tests.running import MANAGE


@pytest.mark.parametrize("limit", [30, 40])
def test_it_says_so_and_touches_no_service(ward: Ward, limit: int) -> None:
    ward.start()
    services = [ward.declare() for _ in range(30)]
    task = ward.declare(command=["true"], restart_policy="on-failure")
    pids = [ward.reaches(service, "RUNNING").pid for service in services]
    ward.reaches(task, "EXITED")
    ward.kill_supervisor()
    epoch = Node.objects.get().epoch

    command = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *MANAGE, "supervise"]
    assert command[4] == sys.executable
    poor = ward.instance.start_command(command, name="poor")
    assert poor.wait(20) == 1
    assert "Traceback" not in poor.output()
    assert "open files" in poor.output()
    assert "ulimit -n" in poor.output()
    assert Node.objects.get().epoch == epoch + 1
    assert all(psutil.pid_exists(pid) for pid in pids if pid)

    ward.start()
    for service, pid in zip(services, pids, strict=True):
        status = ward.reaches(service, "RUNNING", reason="adopted")
        assert (status.pid, status.restarts) == (pid, 0)
        assert len(ward.processes(service)) == 1
    # It was as little a stop of everything as the kill was.
    assert len(ward.runs(task)) == 1
