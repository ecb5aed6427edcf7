"""The benchmark of streams still runs: each question, with few streams. Its figures are not judged here."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.running import ROOT, clean_environment

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the load client needs a C compiler")


def bench(arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "streams", *arguments.split()],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def cells(output: str, row: str) -> list[list[str]]:
    """Return the figures of every table's line called ``row``, without their ratios."""
    lines = [line for line in output.splitlines() if line.startswith(f"| {row} |")]
    return [[re.sub(r" \(×.*\)|,", "", cell.strip()) for cell in line.split("|")[2:-1]] for line in lines]


def test_a_stream_s_speed_its_room_and_its_end_get_their_tables() -> None:
    output = bench(
        "--peers medimgr --only fanout,herd,goodbye --quick --seconds 0.5 --connections 20 --herds 30"
    )
    fan_out, room, herd = cells(output, "medimgr")
    p50, p99, largest, _cpu, _idle, *peaks = map(float, fan_out)
    assert 0 < p50 <= p99 <= largest
    assert all(peak > 20 for peak in peaks), output  # nothing was lost, which would be words
    assert "→" in room[2]
    assert herd[2] == "30"
    for how in ("FIN", "RST"):
        (gone,) = cells(output, how)
        assert all(float(figure) > 0 for figure in gone), output


def test_compression_and_clients_that_never_read_get_their_tables() -> None:
    output = bench("--peers medimgr --only gzip,stuck --quick --seconds 0.7 --connections 20")
    (plain,), (zipped,) = cells(output, "medimgr, plain"), cells(output, "medimgr, gzip")
    assert float(plain[0]) > 5 * 0.9 * float(zipped[0]) > 0, output
    (stuck,) = cells(output, "medimgr")
    assert len(stuck) == 5
