"""The benchmarks' arithmetic: medians, percentiles and ratios are what readers take them for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.table import Column, median, percentile, spread, table

FIGURES = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def test_the_first_row_is_what_the_others_are_compared_with() -> None:
    text = table(
        [Column("p50", "ms"), Column("left", "", 0, ratio=False)], {"us": [2.0, 5], "it": [500.0, 0]}
    )
    assert text.splitlines() == [
        "| | p50 (ms) | left |",
        "| --- | ---: | ---: |",
        "| us | 2.0 | 5 |",
        "| it | 500.0 (×2.5e+02) | 0 |",
    ]


def test_what_was_not_measured_stays_empty_and_words_stay_words() -> None:
    text = table([Column("a", "s"), Column("b", "s")], {"us": [0.0, 1.0], "it": [None, "no"]})
    assert text.splitlines()[-1] == "| it |  | no |"


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 5), (90, 9), (99, 10), (100, 10)])
def test_a_percentile_is_one_of_the_figures(percent: float, expected: float) -> None:
    assert percentile([float(n) for n in range(10, 0, -1)], percent) == expected


@given(FIGURES)
def test_a_spread_goes_up(values: list[float]) -> None:
    found = spread(values)
    assert found == sorted(found)
    assert found[0] == min(values)
    assert found[-1] == max(values)
    assert sum(value <= median(values) for value in values) * 2 >= len(values)
