"""A command runner for tests; once the test is over, no process and no open file of it is left."""

import asyncio
import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from monitoring.supervisor.commands import CommandResult, CommandRunner, Running
from monitoring.supervisor.spec import ServiceSpec
from tests.running import wait_for

ME = pwd.getpwuid(os.geteuid()).pw_name


class Commands:
    """Runs commands for one service called ``it``."""

    def __init__(self, directory: Path, **runner: Any) -> None:
        self.directory = directory
        self.log = directory / "it.log"
        self.runner = CommandRunner(
            asyncio.get_running_loop(), node="n1", data_dir=str(directory), **{"at_once": 8, **runner}
        )

    def spec(self, **fields: Any) -> ServiceSpec:
        return ServiceSpec("it", "It", ("/bin/false",), log_path=self.log, **fields)

    async def run(
        self, *command: str, within: float = 10.0, spec: ServiceSpec | None = None, **how: Any
    ) -> CommandResult:
        return await self.runner.run(spec or self.spec(), "run-1", command, within, **how)

    async def shell(self, script: str, **how: Any) -> CommandResult:
        return await self.run("/bin/sh", "-c", script, **how)

    def start(
        self, script: str, done: "asyncio.Queue[CommandResult]", within: float = 10.0, **how: Any
    ) -> Running:
        command = ("/bin/sh", "-c", script)
        return self.runner.start(self.spec(), "run-1", command, within, done.put_nowait, **how)


@pytest_asyncio.fixture
async def commands(tmp_path: Path) -> AsyncIterator[Commands]:
    before, children = open_files(), children_of_ours()
    found = Commands(tmp_path)
    yield found
    found.runner.close()
    wait_for(lambda: children_of_ours() <= children, 5, "no child is left")
    assert open_files() <= before, "open files were left"


def open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        if os.path.lexists(f"/proc/self/fd/{name}"):
            found.add(name)
    return found


def children_of_ours() -> set[str]:
    """Return the pids of this process's children, zombies included."""
    found: set[str] = set()
    for thread in os.listdir("/proc/self/task"):
        found |= set(Path(f"/proc/self/task/{thread}/children").read_text().split())
    return found


async def pid_in(path: Path) -> int:
    """Wait for a pid that a program writes into ``path``."""
    text = await asyncio.to_thread(
        wait_for, lambda: path.read_text() if path.exists() else "", 5, f"a pid in {path.name}"
    )
    return int(text.split()[0])
