"""A service that has to say something is unhealthy once it has been silent for too long."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from monitoring.states import HealthKind
from monitoring.supervisor.silence import LogSilence
from monitoring.supervisor.spec import HealthCheck
from tests.monitoring.adapters.probed import Probed, probed

__all__ = ["probed"]


def silent(kind: HealthKind, seconds: float = 0.4) -> HealthCheck:
    return HealthCheck(kind, silence=seconds, interval=0.1)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"line\n")


async def test_one_that_logs_nothing_for_too_long_is_unhealthy_until_it_logs_again(probed: Probed) -> None:
    spec = probed.start(silent(HealthKind.LOG))
    first = await probed.next()
    assert (first.ok, first.detail) == (True, "has logged something within 0.4 s")
    begun = time.monotonic()
    bad = await probed.until(lambda result: not result.ok)
    assert time.monotonic() - begun > 0.2
    assert not bad.hung
    assert bad.detail.startswith("has logged nothing for 0.")
    append(spec.log_path)
    assert (await probed.next()).ok


async def test_one_that_goes_on_logging_stays_healthy_whichever_log_it_is(
    probed: Probed, tmp_path: Path
) -> None:
    apart = tmp_path / "it.err.log"
    probed.start(silent(HealthKind.LOG), stderr_log=apart)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        append(apart)
        assert (await probed.next()).ok


async def test_what_was_logged_before_it_was_started_does_not_count(probed: Probed, tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    append(log)
    os.utime(log, (time.time() + 3600, time.time() + 3600))
    probed.start(silent(HealthKind.LOG))
    assert not (await probed.until(lambda result: not result.ok)).ok


@pytest.mark.parametrize("hours", [-5, 0, 5])
async def test_a_clock_that_is_set_silences_nobody_and_excuses_nobody(tmp_path: Path, hours: int) -> None:
    """The file's times are off by hours; only that they change is believed."""
    clock = [100.0]
    log = tmp_path / "it.log"
    silence = LogSilence({log}, lambda: clock[0])
    assert silence.seconds() == 0
    clock[0] = 150.0
    assert silence.seconds() == 50
    clock[0] = 160.0
    append(log)
    os.utime(log, (time.time() + hours * 3600,) * 2)
    assert 0 <= silence.seconds() <= 10
    heard = clock[0] - silence.seconds()
    clock[0] = 200.0
    assert silence.seconds() == 200 - heard
    log.unlink()
    assert silence.seconds() == 200 - heard


async def test_one_that_sends_no_watchdog_is_unhealthy_until_it_does(probed: Probed) -> None:
    probed.start(silent(HealthKind.NOTIFY))
    first = await probed.next()
    assert (first.ok, first.detail) == (True, "has not sent WATCHDOG=1 yet")
    bad = await probed.until(lambda result: not result.ok)
    assert bad.detail.startswith("has not sent WATCHDOG=1 for 0.")
    probed.prober.heard("it")
    good = await probed.next()
    assert (good.ok, good.detail) == (True, "has sent WATCHDOG=1")


async def test_a_watchdog_that_nobody_asks_for_does_no_harm(probed: Probed) -> None:
    probed.prober.heard("nobody")
    probed.start(silent(HealthKind.LOG))
    probed.prober.heard("it")
    await probed.until(lambda result: not result.ok)


async def test_hundreds_that_are_silent_are_asked_on_time(probed: Probed) -> None:
    for number in range(300):
        probed.start(HealthCheck(HealthKind.LOG, silence=30, interval=0.2), f"service-{number}")
    begun = time.monotonic()
    while len(probed.answers) < 300:
        await asyncio.sleep(0.01)
        assert time.monotonic() - begun < 5
