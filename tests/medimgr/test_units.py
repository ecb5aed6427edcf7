"""Durations and sizes as people and clients read them."""

import pytest

from medimgr.lib.units import clock, megabytes


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "00:00:00"),
        (59.999, "00:00:59"),
        (60, "00:01:00"),
        (3661, "01:01:01"),
        (100 * 3600, "100:00:00"),
        (-5, "00:00:00"),
    ],
)
def test_a_duration_reads_as_hours_minutes_seconds(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


@pytest.mark.parametrize(("size", "shown"), [(0, 0.0), (1024 * 1024, 1.0), (1_600_000, 1.5), (52_428, 0.0)])
def test_bytes_read_as_megabytes_to_a_tenth(size: int, shown: float) -> None:
    assert megabytes(size) == shown
