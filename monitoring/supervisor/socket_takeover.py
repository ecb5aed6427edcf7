"""Takes a listening socket over from a process that has it: the very same socket, with what waits in it.

By pidfd_getfd(2) (Linux 5.6). The kernel allows it where it would allow debugging that process: root may,
and others where the system does not restrict that (kernel.yama.ptrace_scope).
"""

import contextlib
import ctypes
import os
import socket

from monitoring.supervisor.ports import listening_inodes

_PIDFD_GETFD = 438
"""The number of the system call, on every architecture but Alpha."""


def take_listening_socket(pid: int, host: str, port: int) -> socket.socket | None:
    """Return the socket on which ``pid`` listens at exactly this address, None where it cannot be had.

    The process keeps it, too. What comes back is closed on exec.
    """
    links = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    with contextlib.suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                if _link(pid, name) in links and (taken := _take(pidfd, int(name))) is not None:
                    if _listens_at(taken, host, port):
                        return taken
                    taken.close()
        finally:
            os.close(pidfd)
    return None


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{name}")
    except OSError:
        return ""


def _take(pidfd: int, number: int) -> socket.socket | None:
    fd = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, pidfd, number, 0)
    if fd < 0:
        return None
    try:
        return socket.socket(fileno=fd)
    except OSError:  # the number means something else by now
        os.close(fd)
        return None


def _listens_at(taken: socket.socket, host: str, port: int) -> bool:
    listens = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return bool(listens) and taken.getsockname()[:2] == (host, port)
