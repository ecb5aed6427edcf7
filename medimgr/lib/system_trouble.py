"""What an error of the operating system means for people: no room, no access, no connection."""

import errno
import socket

from medimgr.lib.branches import FileSystemProblem, NetworkProblem, SystemProblem
from medimgr.lib.problems import Problem

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})


class DiskFull(FileSystemProblem):
    """There is no room left on the disk, or in the quota."""

    code = "disk-full"
    status = 507
    remedy = "Make room, or move MEDIMGR_DATA_DIR; then do again what failed. Nothing half-written was kept."


class FileTrouble(FileSystemProblem):
    """A file or directory can't be used."""

    code = "file-trouble"
    status = 500
    remedy = "Let the user that medimgr runs as use the path that the message names, or name another."


class OutOfResources(SystemProblem):
    """This machine has no memory, no open files or no processes to spare."""

    code = "out-of-resources"
    status = 503
    remedy = "Raise the limit (ulimit -n, ulimit -u, MemoryMax), or stop something, then try again."


class ConnectionTrouble(NetworkProblem):
    """A connection to another process or machine failed."""

    code = "connection-trouble"
    status = 502
    remedy = "Look whether the other side runs, and whether its name and port are right."


def shortage_in(error: BaseException | None) -> Problem | None:
    """Return what this machine is short of according to ``error``; None where it says nothing of that. Pure.

    No path is in it: it may be told to anybody.
    """
    if isinstance(error, MemoryError):
        return OutOfResources()
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskFull()
    if isinstance(error, OSError) and error.errno in _SHORT:
        return OutOfResources()
    return None


def trouble_with(error: BaseException) -> Problem | None:
    """Return what ``error`` means for whoever runs a command, with the path; None where it is none of these.

    For the terminal alone: paths are nobody's business elsewhere. Pure.
    """
    shortage = shortage_in(error)
    if shortage is not None or not isinstance(error, OSError):
        return shortage
    words = error.strerror or type(error).__name__
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return ConnectionTrouble(f"A connection failed: {words}.")
    if error.filename is not None:
        return FileTrouble(f"{error.filename} can't be used: {words}.")
    return None
