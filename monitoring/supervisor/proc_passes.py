"""Reads ``/proc`` once a second, and no more of it than can have changed.

A thousand services mostly sleep. What a pass costs is reading their ``stat`` files, of which opening is half;
so the files of processes that rest stay open, and each is read in every other pass only. An open file goes
on to mean the process that it was opened for: the next owner of a pid cannot be taken for it.
"""

import contextlib
import os
import resource
from dataclasses import dataclass

from monitoring.supervisor.identity import PF_KTHREAD, ProcEntry, files_ran_out, parse_stat
from monitoring.supervisor.proctable import ProcTable

RESTING_PASSES = 5
"""A process whose line has stayed the same, to the byte, for so many passes rests."""
_EVERY = 2
_EVERY_KERNEL_THREAD = 8
"""Nobody asks what these use; they are looked at only since their pids may become somebody else's."""


@dataclass(slots=True, eq=False)
class _Known:
    """What is kept of one process from pass to pass."""

    line: bytes
    entry: ProcEntry
    fd: int = -1
    same: int = 0
    """In how many passes in a row its line was the same."""


class ProcPasses:
    """Made and used on one thread."""

    def __init__(self) -> None:
        """Nothing is read before the first pass."""
        self.changed: set[int] = set()
        """The pids whose entries are not the very same as in the pass before."""
        self.same_family = False
        """The processes are those of the pass before, and each has the parent, group and session of then."""
        self._table = ProcTable()
        self._known: dict[int, _Known] = {}
        self._names: list[str] = []
        self._count = 0
        self._open = 0

    def read(self, keep_open: int) -> ProcTable:
        """Return the processes of this moment; the table is changed by the next pass.

        What a process uses may be one pass old where it has rested; that it is there, is not. Keeps the files
        of up to ``keep_open`` processes open. Raises OSError where files ran out: half a table would tell
        that processes are gone.
        """
        self.changed.clear()
        directory = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            names = os.listdir(directory)
            self.same_family = names == self._names
            # Where this pass is not completed, the next one has to look for who came and went.
            self._names = []
            if not self.same_family:
                self._meet(names)
            self._count += 1
            ended = [
                pid
                for pid, known in self._known.items()
                if not (known.same >= RESTING_PASSES and self._left_out(pid, known))
                and not self._look(pid, known, directory)
            ]
            for pid in ended:
                self._drop(pid)
                self.same_family = False
            if not ended:
                self._names = names
            self._keep(keep_open, directory)
        finally:
            os.close(directory)
        return self._table

    def close(self) -> None:
        """Close all files that are kept open."""
        for known in self._known.values():
            self._let_go(known)

    def _left_out(self, pid: int, known: _Known) -> bool:
        every = _EVERY_KERNEL_THREAD if known.entry.flags & PF_KTHREAD else _EVERY
        return (pid + self._count) % every != 0

    def _meet(self, names: list[str]) -> None:
        """Take up who has come, and drop who has gone."""
        pids = {int(name) for name in names if name.isdecimal()}
        for pid in self._known.keys() - pids:
            self._drop(pid)
        for pid in sorted(pids - self._known.keys()):
            self._known[pid] = _Known(b"", _NOBODY)

    def _drop(self, pid: int) -> None:
        self._let_go(self._known.pop(pid))
        self._table.pop(pid, None)
        self.changed.add(pid)

    def _let_go(self, known: _Known) -> None:
        if known.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(known.fd)
            known.fd = -1
            self._open -= 1

    def _look(self, pid: int, known: _Known, directory: int) -> bool:
        """Read one process's line; return False where it has ended."""
        line = self._line(pid, known, directory)
        if line and line == known.line:
            known.same += 1
            return True
        try:
            entry = parse_stat(line)
        except (ValueError, IndexError):
            return False
        self.same_family = self.same_family and _kin(entry) == _kin(known.entry)
        known.line, known.entry, known.same = line, entry, 0
        self.changed.add(pid)
        if not entry.flags & PF_KTHREAD:
            self._table[pid] = entry
        return True

    def _line(self, pid: int, known: _Known, directory: int) -> bytes:
        """Return what the process's file says, empty where it has ended."""
        if known.fd >= 0:
            try:
                return os.pread(known.fd, 4096, 0)
            except OSError:
                self._let_go(known)  # has ended, and the pid may be another's
        try:
            fd = os.open(f"{pid}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            if files_ran_out(error):
                raise
            return b""
        try:
            return os.read(fd, 4096)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def _keep(self, keep_open: int, directory: int) -> None:
        """Open the files of some processes that rest, for the passes to come."""
        most = min(keep_open, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        if self._open >= most:
            return
        for pid, known in self._known.items():
            if known.fd < 0 and known.same >= RESTING_PASSES and not known.entry.flags & PF_KTHREAD:
                try:
                    known.fd = os.open(f"{pid}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
                except OSError:
                    return  # it works without, too
                known.same = 0  # what was just opened is read in the next pass, and may be another's
                self._open += 1
                if self._open >= most:
                    return


_NOBODY = ProcEntry(0, 0, 0, 0, 0, 0, 0, "", 0, 0, 0)


def _kin(entry: ProcEntry) -> tuple[int, int, int, int]:
    return entry.ppid, entry.pgrp, entry.session, entry.start_ticks
