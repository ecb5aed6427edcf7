"""The benchmark of operations still runs: each question, with little. Its figures are not judged here."""

import re
import subprocess
import sys

from tests.running import ROOT, clean_environment


def bench(arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "operations", "--peers", "medimgr", *arguments.split()],
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


def cells(output: str, row: str) -> list[float]:
    """Return the figures of the one line called ``row``, without their ratios."""
    (line,) = [line for line in output.splitlines() if line.startswith(f"| {row} |")]
    return [float(re.sub(r" \(×.*\)|,", "", cell.strip())) for cell in line.split("|")[2:-1]]


def test_the_start_of_an_operation_and_the_throughput_get_their_tables() -> None:
    output = bench("--only start,throughput --databases SQLite --quick --samples 5 --operations 60")
    start = cells(output, "SQLite")
    p50, p99, commit50, commit99, _answer50, _answer99, largest = start
    assert 0 < p50 <= p99 <= largest
    assert 0 < commit50 <= commit99 < largest
    assert commit50 < p50
    assert all(figure > 1 for figure in cells(output, "medimgr, SQLite")), output
    assert "| throughput, SQLite | at least 300 a second |" in output
    assert "handler started, p99, SQLite | at most 60 ms |" in output


def test_first_pages_get_their_table_and_every_filter_is_one_that_is_known() -> None:
    output = bench("--only pages --databases SQLite --quick --rows 600")
    for page in ("page, no filter", "API, kind, status, who", "admin, search"):
        p50, largest, few, many = cells(output, page)
        assert 0 < p50 <= largest
        assert few >= 1
        assert many >= 1
    assert "(answered" not in output, output


def test_another_program_s_request_is_measured_on_postgresql() -> None:
    output = bench("--only latency --databases PostgreSQL --samples 4")
    p50, p99, largest = cells(output, "medimgr, PostgreSQL")
    assert 0 < p50 <= p99 <= largest
