"""All processes of the machine in one pass over ``/proc``, and which of them belong to a run.

Costs about 5 ms for 1000 processes; asking per service would cost that for each service.
"""

import os
from collections.abc import Mapping

from monitoring.supervisor.identity import (
    MARKER,
    MARKER_COMMAND,
    PF_KTHREAD,
    Identity,
    ProcEntry,
    boot_id,
    files_ran_out,
    parse_stat,
    read_environ,
    variable,
)

__all__ = ["MarkerCache", "ProcEntry", "ProcTable", "assign", "lineage", "members"]


class ProcTable(dict[int, ProcEntry]):
    """Pid → what ``/proc`` said about it. Kernel threads are left out, zombies are in."""

    @classmethod
    def read(cls) -> "ProcTable":
        """Return the processes of this moment. Those that end while we read are not in it.

        Raises OSError where files ran out: half a table would tell that processes are gone.
        """
        table = cls()
        directory = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in os.listdir(directory):
                if not name.isdecimal():
                    continue
                try:
                    fd = os.open(f"{name}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
                except OSError as error:
                    if files_ran_out(error):
                        raise
                    continue
                try:
                    entry = parse_stat(os.read(fd, 4096))
                except (OSError, ValueError, IndexError):
                    continue
                finally:
                    os.close(fd)
                if not entry.flags & PF_KTHREAD:
                    table[int(name)] = entry
        finally:
            os.close(directory)
        return table


class MarkerCache(dict[tuple[int, int], str]):
    """(pid, start_ticks) → the run that a process belongs to, empty for none.

    Once known to belong to a run, a process does so for good, even if it lets go of its parents later.
    """

    unsettled = False
    """Some process could not be asked for its marker at the last pass, and has to be at the next."""

    def forget_gone(self, table: Mapping[int, ProcEntry]) -> None:
        """Drop what is no longer in ``table``. Cheap; once a pass is enough."""
        gone = [key for key in self if key[0] not in table or table[key[0]].start_ticks != key[1]]
        for key in gone:
            del self[key]


def members(
    table: Mapping[int, ProcEntry], identity: Identity, marker_cache: MarkerCache | None = None
) -> set[int]:
    """Return the live pids of a run: its group and session, their descendants, and who has its marker.

    Never includes the supervisor itself or its ancestors. Reads the environment of processes that
    ``marker_cache`` does not know yet.
    """
    cache = MarkerCache() if marker_cache is None else marker_cache
    pids = assign(table, {identity.run_id: identity}, cache)[identity.run_id]
    return {pid for pid in pids if table[pid].alive}


def assign(
    table: Mapping[int, ProcEntry], identities: Mapping[str, Identity], cache: MarkerCache
) -> dict[str, set[int]]:
    """Return for every key of ``identities`` the pids of its run in ``table``, zombies included.

    One pass for all runs together.
    """
    cache.forget_gone(table)
    cache.unsettled = False
    boot = boot_id()
    current = {key: identity for key, identity in identities.items() if identity.boot_id == boot}
    by_run = {identity.run_id: key for key, identity in current.items()}
    # While the main process is there, be it as a zombie, its number can mean no other session or group.
    by_leader = {
        identity.pid: identity.run_id
        for identity in current.values()
        if (entry := table.get(identity.pid)) is not None and entry.start_ticks == identity.start_ticks
    }
    outside = lineage(table, os.getpid())
    found: dict[int, str] = dict.fromkeys(outside, "")
    result: dict[str, set[int]] = {key: set() for key in identities}
    directory = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for pid in table:
            run = _run_of(pid, table, by_leader, cache, found, directory)
            if run in by_run:
                result[by_run[run]].add(pid)
    finally:
        os.close(directory)
    return result


def _run_of(
    pid: int,
    table: Mapping[int, ProcEntry],
    by_leader: Mapping[int, str],
    cache: MarkerCache,
    found: dict[int, str],
    directory: int,
) -> str:
    """Return the run of ``pid``, empty for none; fills ``found`` for it and its ancestors."""
    trail: list[int] = []
    run = ""
    while pid in table:
        if pid in found:
            run = found[pid]
            break
        entry = table[pid]
        trail.append(pid)
        found[pid] = ""  # ends a circle, which a table read while pids are reused could show
        run = (
            by_leader.get(entry.session)
            or by_leader.get(entry.pgrp)
            or _marked_run(pid, entry, cache, directory)
        )
        if run:
            break
        pid = entry.ppid
    for seen in trail:
        found[seen] = run
        if run:
            cache[seen, table[seen].start_ticks] = run
    return run


def _marked_run(pid: int, entry: ProcEntry, cache: MarkerCache, directory: int) -> str:
    known = cache.get((pid, entry.start_ticks))
    if known is not None:
        return known
    environ = read_environ(pid, directory)
    run = ""
    if environ:
        # A hook or a probe is of no run, and so much is known for good.
        run = variable(environ, MARKER) or variable(environ, MARKER_COMMAND) or ""
    # A process that is just being started shows nothing for a moment: ask again at the next pass.
    if environ == b"":
        cache.unsettled = True
    else:
        cache[pid, entry.start_ticks] = run
    return run


def lineage(table: Mapping[int, ProcEntry], pid: int) -> list[int]:
    """Return ``pid`` and its ancestors."""
    line: list[int] = []
    while pid in table and pid not in line:
        line.append(pid)
        pid = table[pid].ppid
    return line
