"""Runs the commands that go with a service (hooks, exec probes, stop commands) without waiting for any.

Everything happens in the loop: the end of a command is its pidfd, its output a pipe that does not block. No
thread, no asyncio subprocess. A command is over when its main process is, whoever still holds the pipe;
what it leaves in its process group is killed then, and its whole tree where it takes too long.
"""

import asyncio
import contextlib
import logging
import os
import select
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import uuid4

from monitoring.supervisor.command_output import CommandOutput, LogCopy
from monitoring.supervisor.command_result import CommandResult
from monitoring.supervisor.command_trees import COMMAND_ID, CommandTrees
from monitoring.supervisor.identity import Identity, boot_id, find_stat
from monitoring.supervisor.launch import Limits, launch_command
from monitoring.supervisor.logs import open_log
from monitoring.supervisor.process import Process
from monitoring.supervisor.spawn_errors import shortage
from monitoring.supervisor.spawn_problems import SpawnError
from monitoring.supervisor.spec import ServiceSpec

__all__ = ["CommandResult", "CommandRunner", "Running"]

log = logging.getLogger(__name__)
Done = Callable[[CommandResult], None]
_NOTHING: Mapping[str, str] = MappingProxyType({})
_STARTS_A_TURN = 4
_KILL_SECONDS = 2.0
_CLOSE_SECONDS = 1.0
RUN = "MEDIMGR_COMMAND_RUN"
"""Tells a command which run of the service it goes with."""


@dataclass(frozen=True, slots=True)
class _Order:
    spec: ServiceSpec
    timeout: float
    env: Mapping[str, str]
    in_log: bool


class Running:
    """One command, from the order to its end."""

    def __init__(self, runner: "CommandRunner", order: _Order, done: Done) -> None:
        self._runner = runner
        self._loop = runner.loop
        self._order = order
        self._done: Done | None = done
        self._process: Process | None = None
        self._output: CommandOutput | None = None
        self._copy: LogCopy | None = None
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timed_out = False

    @property
    def pid(self) -> int | None:
        """Return its pid while it runs, None before and after."""
        return self._process.identity.pid if self._process is not None else None

    @property
    def over(self) -> bool:
        """Return whether nobody waits for it any more."""
        return self._done is None

    def cancel(self) -> None:
        """Kill it with all that it has started; ``done`` is not called. Once it is over, do nothing."""
        if self._done is None:
            return
        self._done = None
        if self._process is not None:
            self.kill()

    def kill(self) -> None:
        """Kill the whole tree."""
        if self._process is not None:
            self._runner.trees.kill(self._process, self._order.env[COMMAND_ID])

    def begin(self) -> bool:
        """Start it; return whether it runs. Where it cannot, say so to whoever waits."""
        self._started = time.monotonic()
        reading, writing = -1, -1
        try:
            reading, writing = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reading, False)
            self._process = self._spawn(writing)
        except (OSError, SpawnError) as error:
            if reading >= 0:
                os.close(reading)
            why = error.detail if isinstance(error, SpawnError) else shortage(error).detail
            self._tell(CommandResult(False, error=why))
            return False
        finally:
            if writing >= 0:
                os.close(writing)
        if self._order.in_log:
            with contextlib.suppress(OSError):
                self._copy = LogCopy(open_log(self._order.spec.log_path))
        self._output = CommandOutput(self._loop, reading, self._copy)
        self._loop.add_reader(self._process.pidfd, self._readable)
        self._timer = self._loop.call_later(self._order.timeout, self._late)
        return True

    def _spawn(self, output: int) -> Process:
        order, runner = self._order, self._runner
        pid = launch_command(
            order.spec, order.env, output, node=runner.node, data_dir=runner.data_dir, nofile=runner.nofile
        )
        pidfd = -1
        try:
            pidfd = os.pidfd_open(pid)
            entry = find_stat(pid)
        except OSError:
            if pidfd >= 0:
                os.close(pidfd)
            with contextlib.suppress(OSError):
                os.killpg(pid, 9)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            raise
        return Process(Identity(pid, entry.start_ticks if entry else 0, boot_id(), ""), pidfd)

    def _late(self) -> None:
        self._timed_out = True
        self.kill()
        self._timer = self._loop.call_later(_KILL_SECONDS, self._unkillable)

    def _unkillable(self) -> None:
        """Nobody waits for a process that the kernel does not let go; its place stays taken until it ends."""
        self._timer = None
        log.warning("A command of %s (pid %s) does not end after SIGKILL", self._order.spec.key, self.pid)
        self._tell(self._result(None, "", "it does not end after SIGKILL"))

    def _readable(self) -> None:
        process = self._process
        how = process.poll_exit() if process is not None else None
        if process is None or how is None:
            return
        result = self._result(how.code, how.signal, "")
        self.let_go()
        self._runner.ended(self)
        self._tell(result)

    def _result(self, code: int | None, signal: str, error: str) -> CommandResult:
        if self._process is not None:
            # The zombie keeps the group's number: what is killed here can be no other's.
            self._process.kill_group()
        output = self._output.end() if self._output is not None else ""
        return CommandResult(
            ok=code == 0 and not self._timed_out,
            code=code,
            signal=signal,
            timed_out=self._timed_out,
            output=output,
            seconds=self._order.timeout if self._timed_out else time.monotonic() - self._started,
            error=error,
        )

    def let_go(self) -> None:
        """Close all that belongs to it, and collect its zombie."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._output is not None:
            self._output.end()
            self._output = None
        if self._copy is not None:
            self._copy.close()
            self._copy = None
        if self._process is not None:
            self._loop.remove_reader(self._process.pidfd)
            self._process.reap()
            self._process.close()
            self._process = None

    def wait(self, deadline: float) -> None:
        """Wait for its end until ``deadline`` (monotonic). For the very end, when no loop runs any more."""
        if self._process is not None:
            poller = select.poll()
            poller.register(self._process.pidfd, select.POLLIN)
            poller.poll(max(0.0, deadline - time.monotonic()) * 1000)

    def _tell(self, result: CommandResult) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(result)


class CommandRunner:
    """At most ``at_once`` commands run at a time; the others wait in order. Used on the loop's thread.

    Give probes a runner of their own, so that probes that hang keep no hook waiting.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        node: str,
        data_dir: str,
        at_once: int = 32,
        nofile: Limits | None = None,
    ) -> None:
        """``nofile``: the limit of open files that commands get instead of ours, as for ``launch``."""
        self.loop = loop
        self.node = node
        self.data_dir = data_dir
        self.nofile = nofile
        self.trees = CommandTrees(loop)
        self._at_once = at_once
        self._waiting: deque[Running] = deque()
        self._running: set[Running] = set()
        self._filling = False

    def start(
        self,
        spec: ServiceSpec,
        run_id: str,
        command: tuple[str, ...],
        timeout: float,
        done: Done,
        *,
        env: Mapping[str, str] = _NOTHING,
        in_log: bool = False,
    ) -> Running:
        """Run ``command`` as ``spec``'s service would: its user, directory, environment, umask, limits.

        ``done`` is called later, once, on the loop: at its end, when it could not be started, or when it was
        killed after ``timeout`` seconds, counted from its own start. ``env`` comes on top of the service's
        variables. ``in_log``: its output is appended to the service's log too.
        """
        order = _Order(
            replace(spec, command=command), timeout, {**env, RUN: run_id, COMMAND_ID: uuid4().hex}, in_log
        )
        one = Running(self, order, done)
        self._waiting.append(one)
        self._fill_soon()
        return one

    async def run(
        self,
        spec: ServiceSpec,
        run_id: str,
        command: tuple[str, ...],
        timeout: float,  # noqa: ASYNC109  (it begins at the command's start, not now)
        *,
        env: Mapping[str, str] = _NOTHING,
        in_log: bool = False,
    ) -> CommandResult:
        """Do the same and return the result. Cancelling it kills the command."""
        future: asyncio.Future[CommandResult] = self.loop.create_future()

        def done(result: CommandResult) -> None:
            if not future.done():
                future.set_result(result)

        one = self.start(spec, run_id, command, timeout, done, env=env, in_log=in_log)
        try:
            return await future
        finally:
            one.cancel()

    @property
    def pids(self) -> set[int]:
        """Return the pids of the commands that run: children of ours, and no service's left-overs."""
        return {pid for one in self._running if (pid := one.pid) is not None}

    def close(self) -> None:
        """Kill all that runs and forget what waits; nobody is told. Waits a second for their ends at most."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for one in [*waiting, *self._running]:
            one.cancel()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for one in self._running:
            one.wait(deadline)
            one.let_go()
        self._running.clear()
        self.trees.close()

    def ended(self, one: Running) -> None:
        """Give its place to the next one."""
        self._running.discard(one)
        self._fill_soon()

    def _fill_soon(self) -> None:
        if self._waiting and not self._filling:
            self._filling = True
            self.loop.call_soon(self._fill)

    def _fill(self) -> None:
        """Start some of those that wait; a spawn takes about a millisecond, so only a few in one turn."""
        self._filling = False
        started = 0
        while self._waiting and len(self._running) < self._at_once:
            if started == _STARTS_A_TURN:
                self._fill_soon()
                return
            one = self._waiting.popleft()
            if not one.over:
                started += 1
                if one.begin():
                    self._running.add(one)
