"""A prober with real commands and real logs, and what it has answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from monitoring.supervisor.prober import Prober
from monitoring.supervisor.probes import ProbeResult
from monitoring.supervisor.spec import HealthCheck, ServiceSpec
from tests.monitoring.adapters.commands import Commands


class Probed:
    """Probes services of the test's making."""

    def __init__(self, directory: Path, **runner: Any) -> None:
        self.directory = directory
        self.commands = Commands(directory, **runner)
        self.prober = Prober(
            asyncio.get_running_loop(), self._answered, lambda low, high: low, commands=self.commands.runner
        )
        self.answers: dict[str, list[ProbeResult]] = {}
        self._news = asyncio.Event()

    def start(self, check: HealthCheck, key: str = "it", **fields: Any) -> ServiceSpec:
        log = self.directory / f"{key}.log"
        spec = ServiceSpec(key, key, ("it",), **{"log_path": log, **fields})
        self.prober.start(key, "run-1", check, starting=True, spec=spec)
        return spec

    def _answered(self, key: str, run_id: str, result: ProbeResult) -> bool:
        assert run_id == "run-1"
        self.answers.setdefault(key, []).append(result)
        self._news.set()
        return False

    async def until(
        self, condition: Callable[[ProbeResult], bool], key: str = "it", within: float = 5.0
    ) -> ProbeResult:
        """Return the first answer from now on that meets ``condition``."""
        seen = len(self.answers.get(key, []))
        async with asyncio.timeout(within):
            while True:
                for result in self.answers.get(key, [])[seen:]:
                    if condition(result):
                        return result
                seen = len(self.answers.get(key, []))
                self._news.clear()
                await self._news.wait()

    async def next(self, key: str = "it", within: float = 5.0) -> ProbeResult:
        return await self.until(lambda result: True, key, within)

    def close(self) -> None:
        for key in list(self.prober._probed):
            self.prober.stop(key)
        self.commands.runner.close()


@pytest_asyncio.fixture
async def probed(tmp_path: Path) -> AsyncIterator[Probed]:
    found = Probed(tmp_path)
    yield found
    found.close()
