"""Asks services to end in their own way, by a POST or a command, before they get a signal."""

import asyncio
import logging
from collections.abc import Callable

from monitoring.supervisor.command_result import CommandResult
from monitoring.supervisor.commands import CommandRunner, Running
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.happenings import Event, StopAsked
from monitoring.supervisor.hook_commands import PID
from monitoring.supervisor.http_posting import post
from monitoring.supervisor.name_lookup import NameLookup

log = logging.getLogger(__name__)
_SLACK = 1.0
"""The machine's own timer goes first; this is for a machine that does not wait any more."""


class StopRequests:
    """One request for a service at a time. The answer comes as StopAsked."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runner: CommandRunner,
        feed: Callable[[Entry, Event], None],
    ) -> None:
        self._loop = loop
        self._runner = runner
        self._feed = feed
        self._names = NameLookup(loop)
        self._posts: dict[str, asyncio.Task[None]] = {}
        self._commands: dict[str, Running] = {}

    def ask(self, entry: Entry, run_id: str) -> None:
        """Ask the run to end; its URL goes before its command where it has both."""
        request = entry.spec.stop_request
        if request.url:
            self._posts[entry.key] = self._loop.create_task(self._post(entry, run_id, request.url))
            return

        def done(result: CommandResult) -> None:
            self._commands.pop(entry.key, None)
            self._answered(entry, run_id, result.ok, f"its stop command {result.describe()}")

        pid = entry.situation.pid
        self._commands[entry.key] = self._runner.start(
            entry.spec,
            run_id,
            request.command,
            request.seconds + _SLACK,
            done,
            env={PID: str(pid)} if pid is not None else {},
            in_log=True,
        )

    def cancel(self, key: str) -> None:
        """Give up the request, if there is one; its answer is not told."""
        posting = self._posts.pop(key, None)
        if posting is not None:
            posting.cancel()
        command = self._commands.pop(key, None)
        if command is not None:
            command.cancel()

    async def _post(self, entry: Entry, run_id: str, url: str) -> None:
        ok, detail = await post(url, entry.spec.stop_request.seconds + _SLACK, self._names)
        if self._posts.get(entry.key) is asyncio.current_task():
            del self._posts[entry.key]
            self._answered(entry, run_id, ok, detail)

    def _answered(self, entry: Entry, run_id: str, ok: bool, detail: str) -> None:
        if not ok:
            log.warning("%s: the request to stop failed: %s", entry.key, detail)
        self._feed(entry, StopAsked(run_id, ok, detail))
