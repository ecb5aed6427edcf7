"""Which limit a run is at, and from when on it may be replaced for it. Scenario 29, the decisions."""

from dataclasses import replace

import pytest

from monitoring.states import Reason
from monitoring.supervisor.limits import (
    CpuAverage,
    Excess,
    Use,
    excess,
    lifetime,
    seconds_too_early,
    suspects_memory,
)
from monitoring.supervisor.spec import Limits

MB = 1024 * 1024
RUN = "run-1"
LIMITS = Limits(memory_bytes=500 * MB, cpu_percent=80.0, cpu_seconds=10.0, age_seconds=1000.0, requests=100)
MODEST = Use(age=10.0, memory_bytes=400 * MB, cpu_percent=20.0, requests=5)


def at(**changes: object) -> Excess | None:
    return excess(LIMITS, replace(MODEST, **changes), RUN)  # type: ignore[arg-type]


def test_below_all_limits_nothing_happens() -> None:
    assert at() is None
    assert (
        excess(Limits(), Use(age=1e9, memory_bytes=10**15, private_bytes=10**15, requests=10**9), RUN) is None
    )


def test_memory_counts_only_once_it_is_confirmed() -> None:
    assert at(memory_bytes=612 * MB) is None
    assert at(memory_bytes=612 * MB, private_bytes=300 * MB) is None
    assert at(memory_bytes=612 * MB, private_bytes=605 * MB) == Excess(Reason.MEMORY, "used 605 MB of 500 MB")
    # It was too much, and the sum is no longer.
    assert at(memory_bytes=400 * MB, private_bytes=605 * MB) is None


def test_memory_is_looked_at_closely_only_where_the_sum_is_too_much() -> None:
    assert not suspects_memory(LIMITS, MODEST)
    assert suspects_memory(LIMITS, replace(MODEST, memory_bytes=501 * MB))
    assert not suspects_memory(Limits(), replace(MODEST, memory_bytes=501 * MB))


def test_the_words_tell_what_was_used_and_what_was_allowed() -> None:
    assert at(cpu_percent=93.4) == Excess(Reason.CPU, "used 93 % CPU of 80 % over 10 s")
    assert at(requests=100) == Excess(Reason.MAX_REQUESTS, "served 100 requests of 100")
    assert at(age=1101.0) == Excess(Reason.MAX_AGE, "up for 00:18:21; its limit is about 00:16:40")


def test_the_lifetime_is_the_limit_give_or_take_a_tenth_and_stays_the_same_for_a_run() -> None:
    drawn = [lifetime(LIMITS, f"run-{number}") for number in range(1000)]
    assert 900 <= min(drawn) < 915
    assert 1085 < max(drawn) <= 1100
    assert 990 < sum(drawn) / 1000 < 1010
    # Nothing but the run's name is drawn from, so that whoever takes it over keeps its date.
    assert (
        lifetime(LIMITS, RUN)
        == lifetime(replace(LIMITS, memory_bytes=0), RUN)
        == pytest.approx(1006.9, abs=100)
    )
    assert at(age=lifetime(LIMITS, RUN) - 0.1) is None
    assert at(age=lifetime(LIMITS, RUN)) is not None


@pytest.mark.parametrize("cause", [Reason.MEMORY, Reason.CPU, Reason.MAX_REQUESTS])
def test_the_successor_of_a_run_at_a_limit_is_not_replaced_before_it_counts_as_stable(cause: Reason) -> None:
    found = Excess(Reason.MEMORY, "")
    assert seconds_too_early(found, cause, 12.0, 60.0) == 48.0
    assert seconds_too_early(found, cause, 61.0, 60.0) == 0.0


@pytest.mark.parametrize("cause", [Reason.OPERATOR, Reason.CRASH, Reason.MAX_AGE, Reason.BOOT])
def test_any_other_run_is_replaced_at_once(cause: Reason) -> None:
    assert seconds_too_early(Excess(Reason.MEMORY, ""), cause, 1.0, 60.0) == 0.0


def test_age_is_no_circle() -> None:
    assert seconds_too_early(Excess(Reason.MAX_AGE, ""), Reason.MEMORY, 1.0, 60.0) == 0.0


def test_cpu_is_averaged_over_its_own_time() -> None:
    average = CpuAverage(60.0)
    found = [average.add(float(second), second * 0.5) for second in range(121)]
    assert set(found[:60]) == {None}, "nothing is known before the time has passed"
    assert {round(one or 0) for one in found[60:]} == {50}
    # A burst that is over counts less and less.
    burst = [average.add(121.0 + second, 60.0 + 10 + 0.1 * second) for second in range(90)]
    assert (burst[0] or 0) > 60
    assert burst[-1] == pytest.approx(10, abs=1)


def test_cpu_over_an_hour_keeps_few_samples() -> None:
    average = CpuAverage(3600.0)
    for second in range(10_000):
        last = average.add(float(second), second * 0.25)
    assert last == pytest.approx(25, abs=0.1)
    assert len(average._samples) <= 62


def test_cpu_that_is_counted_anew_is_not_negative() -> None:
    average = CpuAverage(5.0)
    for second in range(10):
        average.add(float(second), 100.0 + second)
    assert average.add(10.0, 0.0) is None
