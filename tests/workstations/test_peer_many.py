"""Two hundred simulated machines cost one process little, and medimgr's load tests nothing but ports."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.running import wait_for
from tests.workstations.peer import Machine, Peer
from tests.workstations.winrm_client import run, shell

MEGABYTE = 1024**2


def test_two_hundred_machines_have_no_thread_each_and_answer() -> None:
    process = psutil.Process()
    threads, memory = threading.active_count(), process.memory_info().rss
    with Peer(in_process=True) as peer:
        machines = [peer.machine(instances=[f"Farm {n}" for n in range(20)]) for _ in range(200)]
        assert threading.active_count() == threads + 1
        assert process.memory_info().rss - memory < 100 * MEGABYTE
        assert len({machine.port for machine in machines}) == 200
        with ThreadPoolExecutor(8) as pool:
            counts = list(pool.map(count, machines[::10]))
        assert counts == [20] * 20
        wait_for(lambda: threading.active_count() == threads + 1, 10, "the connections are gone")


def count(machine: Machine) -> int:
    with shell(machine) as opened:
        return len(run(opened, machine.ldconsole_path, "list2").stdout.splitlines())
