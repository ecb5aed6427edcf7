"""The benchmark of looking after workstations still runs, with few. Its figures are not judged here."""

import re
import subprocess
import sys

from tests.running import ROOT, clean_environment


def test_a_small_fleet_gets_its_tables() -> None:
    size = ["--workstations", "8", "--emulators", "2", "--changes", "2", "--stalling", "1"]
    intervals = ["--inventory-seconds", "2", "--reachability-seconds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "workstations", *size, *intervals],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = [line for line in done.stdout.splitlines() if re.match(r"\| SQLite \|", line)]
    cells = [float(cell.strip().replace(",", "")) for cell in line.split("|")[2:-1]]
    first, cpu, per_reading, memory, threads, events, gap, *rest = cells
    assert min(first, cpu, per_reading, memory, threads, gap, *rest) > 0, done.stdout
    assert events == 0, "A fleet that rests is told of."
    assert "| events of a fleet that rests, SQLite | at most 0 | 0 | yes |" in done.stdout
