"""Which process is meant: a pid alone is reused, a pid with its start time and this boot is not."""

import errno
import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

PF_KTHREAD = 0x00200000
MARKER = "MEDIMGR_RUN_ID"
"""The environment variable that every process of a run inherits."""
MARKER_SERVICE = "MEDIMGR_SERVICE"
MARKER_COMMAND = "MEDIMGR_COMMAND_OF"
"""Names the service whose hook or probe a process is; such a process belongs to no run."""
MARKER_NODE = "MEDIMGR_NODE"
MARKER_DATA_DIR = "MEDIMGR_DATA_DIR"
"""Tells the processes of two installations on one machine apart."""
MARKER_SUPERVISOR = "MEDIMGR_SUPERVISED_BY"
"""Whose process it is: see :func:`supervisor_mark`. Unlike the data directory, no declaration can set it."""
_ENVIRON_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Identity:
    """One run's main process. ``start_ticks`` is field 22 of ``/proc/<pid>/stat``."""

    pid: int
    start_ticks: int
    boot_id: str
    run_id: str


class ProcEntry(NamedTuple):
    """What one line of ``/proc/<pid>/stat`` says. Ticks are 1/``SC_CLK_TCK`` seconds."""

    ppid: int
    pgrp: int
    session: int
    start_ticks: int
    cpu_ticks: int
    """User and system time of the process's own threads."""
    children_ticks: int
    """The same of children that have ended and were waited for."""
    rss_bytes: int
    state: str
    threads: int
    flags: int
    exit_status: int
    """How it ended, as ``wait`` encodes it; 0 while it runs, and 0 where we may not know."""

    @property
    def alive(self) -> bool:
        """Whether it still runs. A zombie whose other threads go on is alive; an ordinary one is not."""
        return self.state not in "ZXx" or self.threads > 1


_PAGE = os.sysconf("SC_PAGE_SIZE")


def parse_stat(line: bytes) -> ProcEntry:
    """Parse ``/proc/<pid>/stat``. Raises ValueError or IndexError where it is no such line.

    The program's name stands in brackets and may hold anything, brackets and line ends included, so the
    numbers begin behind the last closing one.
    """
    rest = line[line.rindex(b")") + 2 :]
    # field[n - 3] is field n of proc(5): the pid and the name are cut off. Positional, and no more fields
    # than are needed: this is what a pass over all processes spends most of its time with.
    field = rest.split(None, 22)
    state = field[0].decode("ascii")
    return ProcEntry(
        int(field[1]),
        int(field[2]),
        int(field[3]),
        int(field[19]),
        int(field[11]) + int(field[12]),
        int(field[13]) + int(field[14]),
        int(field[21]) * _PAGE,
        state,
        int(field[17]),
        int(field[6]),
        int(rest.split()[49]) if state == "Z" else 0,
    )


def files_ran_out(error: OSError) -> bool:
    """Return whether ``error`` tells of our own limits and so nothing of the process that was asked about."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def read_stat(pid: int) -> ProcEntry | None:
    """Return what ``/proc`` says about ``pid``, None where there is no such process or files ran out."""
    try:
        return find_stat(pid)
    except OSError:
        return None


def find_stat(pid: int) -> ProcEntry | None:
    """Return the same; None means that there is no such process. Raises OSError where files ran out."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_bytes())
    except (ValueError, IndexError):
        return None
    except OSError as error:
        if files_ran_out(error):
            raise
        return None


@cache
def supervisor_mark(node: str, data_dir: str) -> str:
    """Return what tells the processes of one node and installation from all others on a machine."""
    digest = hashlib.sha256(data_dir.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{digest[:16]}/{node}"


@cache
def boot_id() -> str:
    """Return the id of this boot of the machine, empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def read_environ(pid: int, dir_fd: int | None = None) -> bytes | None:
    """Return the environment that ``pid`` was started with, None where it is gone or not ours to read.

    ``dir_fd`` is an open ``/proc``. Empty means that the process is just being started or has ended.
    Raises OSError where files ran out.
    """
    path = f"{pid}/environ" if dir_fd is not None else f"/proc/{pid}/environ"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        if files_ran_out(error):
            raise
        return None
    try:
        data = b""
        while len(data) < _ENVIRON_LIMIT and (block := os.read(fd, 1 << 16)):
            data += block
        return data
    except OSError:
        return None
    finally:
        os.close(fd)


def variable(environ: bytes, name: str) -> str | None:
    """Return one variable of what :func:`read_environ` returned, None where it is not set."""
    lead = b"\0" + name.encode("ascii") + b"="
    _, found, rest = (b"\0" + environ).partition(lead)
    return rest.partition(b"\0")[0].decode("utf-8", "replace") if found else None
