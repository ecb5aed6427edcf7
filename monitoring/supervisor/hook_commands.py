"""Runs the hooks of services: the commands that go before and after their starts and stops."""

import asyncio
import logging
from collections.abc import Callable

from monitoring.states import Hook
from monitoring.supervisor.command_result import CommandResult
from monitoring.supervisor.commands import CommandRunner, Running
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event, HookEnded
from monitoring.supervisor.starting import Starter

log = logging.getLogger(__name__)
HOOK = "MEDIMGR_HOOK"
"""Tells a hook which one it is."""
PID = "MEDIMGR_PID"
"""The pid of the service's main process, for a hook that runs while there is one."""
EXIT_CODE = "MEDIMGR_EXIT_CODE"
EXIT_SIGNAL = "MEDIMGR_EXIT_SIGNAL"
"""How the run ended, for its post-stop hook; what is not known is not there."""


class HookCommands:
    """One hook of a service at a time, which the machine sees to. Their ends come as HookEnded."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runner: CommandRunner,
        starter: Starter,
        feed: Callable[[Entry, Event], None],
    ) -> None:
        self._loop = loop
        self._runner = runner
        self._starter = starter
        self._feed = feed
        self._running: dict[str, Running] = {}

    def run(self, entry: Entry, run_id: str, hook: Hook) -> None:
        """Start the command of ``hook``; it is killed after the service's hook timeout."""

        def done(result: CommandResult) -> None:
            self._running.pop(entry.key, None)
            detail = result.describe()
            if not result.ok:
                log.warning("%s: its %s command %s", entry.key, hook, detail)
            self._over(entry, hook)
            self._feed(entry, HookEnded(run_id, hook, result.ok, detail))

        spec = entry.spec
        self._running[entry.key] = self._runner.start(
            spec, run_id, spec.hook(hook), spec.hook_timeout, done, env=_environment(entry, hook), in_log=True
        )

    def cancel(self, entry: Entry, hook: Hook) -> None:
        """Kill the hook that runs, if one does; its end is not told."""
        running = self._running.pop(entry.key, None)
        if running is not None:
            running.cancel()
            self._over(entry, hook)

    def _over(self, entry: Entry, hook: Hook) -> None:
        if hook is Hook.POST_STOP:
            # Now nothing of the run is left to take over.
            self._starter.forget(entry.key)


def _environment(entry: Entry, hook: Hook) -> dict[str, str]:
    environment = {HOOK: hook.value}
    run = entry.run
    if run is None or hook is Hook.PRE_START:
        return environment
    if entry.situation.pid is not None:
        environment[PID] = str(entry.situation.pid)
    if hook is Hook.POST_STOP:
        if run.exit_code is not None:
            environment[EXIT_CODE] = str(run.exit_code)
        if run.exit_signal:
            environment[EXIT_SIGNAL] = run.exit_signal
    return environment
