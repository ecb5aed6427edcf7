"""An exec probe is a command in bounds: it says what the command said, and one that hangs harms nobody."""

import asyncio
import time
from pathlib import Path

from monitoring.states import HealthKind
from monitoring.supervisor.probes import ProbeResult
from monitoring.supervisor.spec import HealthCheck
from tests.monitoring.adapters.commands import pid_in
from tests.monitoring.adapters.conftest import gone
from tests.monitoring.adapters.probed import Probed, probed
from tests.monitoring.adapters.test_probing import saying, serving
from tests.running import wait_for

__all__ = ["probed"]


def shell(script: str, *, timeout: float = 5.0, interval: float = 0.2) -> HealthCheck:
    command = ("/bin/sh", "-c", script)
    return HealthCheck(HealthKind.EXEC, command=command, timeout=timeout, interval=interval)


async def test_a_command_that_ends_with_0_is_healthy_and_its_words_are_told(probed: Probed) -> None:
    probed.start(shell("echo $PORT peers are there"), env=(("PORT", "3"),))
    result = await probed.next()
    assert (result.ok, result.hung) == (True, False)
    assert result.detail == "its probe exited with code 0: 3 peers are there"
    assert 0 < result.seconds < 5


async def test_a_command_that_fails_is_not_healthy(probed: Probed) -> None:
    probed.start(shell("echo replication lags >&2; exit 2"))
    result = await probed.next()
    assert (result.ok, result.detail) == (False, "its probe exited with code 2: replication lags")


async def test_a_command_that_is_not_there_is_not_healthy_and_says_so(probed: Probed) -> None:
    probed.start(HealthCheck(HealthKind.EXEC, command=("/no/such/probe",)))
    result = await probed.next()
    assert not result.ok
    assert "its probe could not be started: There is no file /no/such/probe" in result.detail


async def test_a_probe_that_hangs_is_killed_in_time_and_asked_again(probed: Probed, tmp_path: Path) -> None:
    """Scenario 15."""
    probed.start(shell(f"echo $$ >>{tmp_path}/pids; exec sleep 300", timeout=0.3))
    first, second = await probed.next(), await probed.next()
    for result in (first, second):
        assert (result.ok, result.hung) == (False, False)
        assert result.detail == "its probe was still running after 0.3 s and was killed"
    for pid in map(int, (tmp_path / "pids").read_text().split()[:2]):
        await asyncio.to_thread(wait_for, lambda pid=pid: gone(pid), 5, "it is gone")


async def test_a_probe_that_is_given_up_is_killed(probed: Probed, tmp_path: Path) -> None:
    probed.start(shell(f"echo $$ >{tmp_path}/pid; exec sleep 300", timeout=60))
    pid = await pid_in(tmp_path / "pid")
    probed.prober.stop("it")
    await asyncio.to_thread(wait_for, lambda: gone(pid), 5, "it is gone")
    assert probed.answers == {}


async def test_probes_that_hang_keep_those_over_the_network_from_nothing(tmp_path: Path) -> None:
    """Scenario 15: hundreds of hanging commands, and the others are asked on time all the same."""
    probed = Probed(tmp_path, at_once=8)
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as port:
        for number in range(200):
            probed.start(shell("exec sleep 300", timeout=60), f"hangs-{number}")
        probed.start(HealthCheck(HealthKind.HTTP, url=f"http://127.0.0.1:{port}/", interval=0.1), "web")
        for _ in range(5):
            assert (await probed.next("web", 2)).ok
        assert len(probed.commands.runner.pids) == 8
    probed.close()


async def test_200_services_probed_by_command_at_once_stay_bounded(tmp_path: Path) -> None:
    probed = Probed(tmp_path, at_once=32)
    most, slowest, begun = 0, 0.0, time.monotonic()
    for number in range(200):
        probed.start(shell("exit 0", timeout=10, interval=60), f"service-{number}")
    while len(probed.answers) < 200 and time.monotonic() - begun < 20:
        turn = time.monotonic()
        await asyncio.sleep(0.001)
        slowest = max(slowest, time.monotonic() - turn)
        most = max(most, len(probed.commands.runner.pids))
    assert len(probed.answers) == 200
    results: list[ProbeResult] = [result for answers in probed.answers.values() for result in answers]
    assert all(result.ok for result in results), {result.detail for result in results}
    assert most <= 32
    assert slowest < 0.3
    probed.close()
