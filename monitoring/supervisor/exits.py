"""How a process ended, and who says so: its parent's word, its pidfd, its zombie, or nobody.

Only the parent may wait for a process. Of one that was taken over from another supervisor the kernel
tells more the newer it is: after somebody has reaped it, its pidfd (Linux 6.15 or newer); before that,
the last but one number of its line in ``/proc``.
"""

import fcntl
import os
import struct
from dataclasses import dataclass
from signal import SIGRTMIN, Signals

from monitoring.states import ExitSource
from monitoring.supervisor.identity import Identity, read_stat

# struct pidfd_info of linux/pidfd.h, in its first form: 64 bytes, which every kernel with it accepts.
# The mask says what is asked for, and in the answer what there was to tell.
_INFO = struct.Struct("=Q Q 11I i")
_PIDFD_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
_PIDFD_INFO_EXIT = 1 << 3


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit code, or the name of a signal, or neither where nobody knows."""

    code: int | None
    signal: str
    source: ExitSource

    def describe(self) -> str:
        """Return it in words that fit behind the service's name."""
        if self.signal:
            return f"was killed by {self.signal}"
        if self.code is not None:
            return f"exited with code {self.code}"
        return "ended; its exit code is not known"


def exit_of_child(si_code: int, si_status: int) -> Exit:
    """Return what ``waitid`` told us as the parent."""
    if si_code == os.CLD_EXITED:
        return Exit(si_status, "", ExitSource.WAIT)
    return Exit(None, signal_name(si_status), ExitSource.WAIT)


def exit_of_stranger(pidfd: int, identity: Identity) -> Exit:
    """Return how a process that is not our child has ended, from whoever can tell.

    It has to have ended: until then the answer is that nobody knows.
    """
    # Its parent may reap it between two looks, and the one kind of knowledge begins where the other ends.
    return (
        _told_by_pidfd(pidfd)
        or _told_by_zombie(identity)
        or _told_by_pidfd(pidfd)
        or Exit(None, "", ExitSource.UNKNOWN)
    )


def signal_name(number: int) -> str:
    """Return a signal's name, such as SIGSEGV; a real-time signal is counted from SIGRTMIN."""
    try:
        return Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - SIGRTMIN}" if number > SIGRTMIN else f"signal {number}"


def _told_by_pidfd(pidfd: int) -> Exit | None:
    """Return what the kernel keeps about a process that has been reaped, None where it keeps nothing."""
    info = bytearray(_INFO.size)
    struct.pack_into("=Q", info, 0, _PIDFD_INFO_EXIT)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError:  # an older kernel, or not reaped and out of our sight
        return None
    mask, *_, status = _INFO.unpack(info)
    return _decoded(status, ExitSource.PIDFD) if mask & _PIDFD_INFO_EXIT else None


def _told_by_zombie(identity: Identity) -> Exit | None:
    """Return what ``/proc`` says about a process that nobody has reaped yet."""
    entry = read_stat(identity.pid)
    if entry is None or entry.start_ticks != identity.start_ticks or entry.state != "Z":
        return None
    if not entry.exit_status and not _may_inspect(identity.pid):
        return None
    return _decoded(entry.exit_status, ExitSource.PROC)


def _decoded(status: int, source: ExitSource) -> Exit:
    code = os.waitstatus_to_exitcode(status)
    return Exit(None, signal_name(-code), source) if code < 0 else Exit(code, "", source)


def _may_inspect(pid: int) -> bool:
    """Whether a zombie's exit code of 0 is to be believed: the kernel shows 0 to those who may not know.

    The same right decides about the link to its program, which is missing for a zombie, not forbidden.
    """
    try:
        os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
