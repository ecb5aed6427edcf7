"""The benchmark of the purge still runs: few rows. Its figures are not judged here."""

from tests.benchmarks.test_operation_benchmarks_run import bench, cells


def test_a_purge_beside_living_operations_gets_its_table() -> None:
    output = bench("--only purge --databases SQLite --samples 5 --rows 1500 --lines 2")
    took, transactions, longest, _resting, waited, grown, before, meanwhile, _ratio, _samples = cells(
        output, "SQLite"
    )
    assert took > 0
    assert transactions >= 2
    assert 0 < longest < 1000 * took
    assert 0 < waited < 1000 * took
    assert 0 <= grown < 200
    assert before > 0
    assert meanwhile >= 0
    assert "longest transaction, SQLite | at most 100 ms |" in output
