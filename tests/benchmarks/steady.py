"""Does the supervisor's memory stay where it is over very many restarts?"""

import os
import signal
import tempfile
import time
from pathlib import Path

from tests.benchmarks.beacons import Beacons, CannotMeasure
from tests.benchmarks.peers.medimgr_here import Medimgr
from tests.benchmarks.peers.peer import end
from tests.benchmarks.table import Column, table
from tests.benchmarks.usage import pss_mb

_MARKS = 5


def steady(beacon: Path, restarts: int, services: int = 100) -> str:
    """Kill services over and over; return a table of the supervisor's memory as it goes on."""
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name:
        peer = Medimgr(Path(name))
        names = [f"beacon-{number:04}" for number in range(services)]
        beacons = Beacons(Path(name) / "lines")
        peer.declare(names, beacon, beacons.path)
        peer.quick_to_retry()
        try:
            peer.start()
            if not beacons.all_up(names, 60.0):
                raise CannotMeasure(f"The services did not come up. {peer.output()}")
            rows: dict[str, list[float | str | None]] = {}
            began = time.monotonic()
            done = killed = 0
            while done < restarts:
                beacons.read()
                for key, pid in list(beacons.pid.items()):
                    if pid:
                        beacons.pid[key] = 0
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
                done = len(beacons.said) - services
                if done >= restarts * len(rows) / _MARKS:
                    rows[f"after {done:,}"] = [pss_mb(peer.own_pids()), time.monotonic() - began]
                time.sleep(0.01)
            rows[f"after {done:,}"] = [pss_mb(peer.own_pids()), time.monotonic() - began]
            return table([Column("PSS", "MB"), Column("time", "s", ratio=False)], rows)
        finally:
            peer.clean_up()
            beacons.read()
            end({one.pid for one in beacons.said[-5 * services :] if Path(f"/proc/{one.pid}").exists()})
