"""Finds what a supervisor has started, and nobody has written down, by the marks in its environment."""

import contextlib
import os
import select
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from signal import SIGKILL, pidfd_send_signal

from monitoring.supervisor.identity import (
    MARKER,
    MARKER_COMMAND,
    MARKER_DATA_DIR,
    MARKER_NODE,
    MARKER_SERVICE,
    MARKER_SUPERVISOR,
    Identity,
    ProcEntry,
    boot_id,
    read_environ,
    read_stat,
    supervisor_mark,
    variable,
)
from monitoring.supervisor.proctable import ProcTable, lineage

_ROUNDS = 5
_END_SECONDS = 1.0


@dataclass(frozen=True)
class Marked(Identity):
    """A process that was found by its marks, with the service that they name."""

    service: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """What the marks of one node and data directory were found on."""

    runs: dict[str, Marked]
    """Run id → its main process: of several session leaders the oldest."""
    commands: tuple[Marked, ...]
    """Processes of hooks, probes and stop commands. Their run id is empty."""


def find_marked(table: Mapping[int, ProcEntry], node: str, data_dir: str) -> Marks:
    """Return what a supervisor of ``node`` and ``data_dir`` has started and still lives.

    Leaves out this process and its ancestors. Reads the environment of every other process. Raises
    OSError where files ran out.
    """
    mark = supervisor_mark(node, data_dir)
    outside = set(lineage(table, os.getpid()))
    runs: dict[str, Marked] = {}
    commands: list[Marked] = []
    for pid, entry in sorted(table.items(), key=lambda item: (item[1].start_ticks, item[0])):
        if pid in outside or not entry.alive:
            continue
        environ = read_environ(pid)
        if not environ or _mark(environ) != mark:
            continue
        run, command = variable(environ, MARKER), variable(environ, MARKER_COMMAND)
        if run and entry.session == pid and run not in runs:
            service = variable(environ, MARKER_SERVICE) or ""
            runs[run] = Marked(pid, entry.start_ticks, boot_id(), run, service)
        elif command and not run:
            commands.append(Marked(pid, entry.start_ticks, boot_id(), "", command))
    return Marks(runs, tuple(commands))


def _mark(environ: bytes) -> str:
    """Return whose process it is. One of an earlier version of medimgr says so in two variables."""
    mark = variable(environ, MARKER_SUPERVISOR)
    if mark is None:
        node, data_dir = variable(environ, MARKER_NODE), variable(environ, MARKER_DATA_DIR)
        return supervisor_mark(node, data_dir) if node and data_dir else ""
    return mark


def end_commands(commands: Iterable[Marked], node: str, data_dir: str) -> None:
    """Kill the commands that a dead supervisor has left, and what they have started meanwhile.

    Waits up to a second until they are gone: the same commands are about to be run again.
    """
    for _ in range(_ROUNDS):
        with contextlib.ExitStack() as files:
            poller, waiting = select.poll(), 0
            for command in commands:
                pidfd = _killed(command)
                if pidfd >= 0:
                    files.callback(os.close, pidfd)
                    poller.register(pidfd, select.POLLIN)
                    waiting += 1
            if not waiting:
                return
            end = time.monotonic() + _END_SECONDS
            while waiting and (left := end - time.monotonic()) > 0:
                for pidfd, _ in poller.poll(left * 1000):
                    poller.unregister(pidfd)
                    waiting -= 1
        commands = find_marked(ProcTable.read(), node, data_dir).commands


def _killed(process: Identity) -> int:
    """Send SIGKILL to exactly this process; return its pidfd, -1 where it is gone."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return -1
    entry = read_stat(process.pid)
    with contextlib.suppress(OSError):
        if entry is not None and entry.start_ticks == process.start_ticks and entry.alive:
            pidfd_send_signal(pidfd, SIGKILL)
            return pidfd
    os.close(pidfd)
    return -1
