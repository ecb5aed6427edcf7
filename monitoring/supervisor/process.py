"""One run of a service as the supervisor holds it: an identity and a pidfd that can mean no other process.

Spawned by us or taken over from a predecessor, it is asked and signalled the same way. An exit is read
with WNOWAIT: as long as the main process stays a zombie, its pid and group number cannot be reused, so
what is left of its group can be swept before :meth:`Process.reap`. Linux 5.3 or newer.
"""

import contextlib
import errno
import logging
import os
import select
from collections.abc import Mapping, Sequence
from signal import SIGCONT, SIGKILL, Signals, pidfd_send_signal

from django.conf import settings

from monitoring.supervisor.exits import Exit, exit_of_child, exit_of_stranger
from monitoring.supervisor.identity import (
    MARKER,
    Identity,
    boot_id,
    find_stat,
    read_environ,
    read_stat,
    variable,
)
from monitoring.supervisor.launch import Limits, launch, prepare_to_spawn
from monitoring.supervisor.spawn_problems import SpawnError, SpawnFailed, TooManyFiles
from monitoring.supervisor.spec import ServiceSpec

__all__ = ["Exit", "Identity", "Process", "SpawnError", "kill_verified", "prepare_to_spawn"]

log = logging.getLogger(__name__)
_PIDFD_SIGNAL_PROCESS_GROUP = 4
"""Since Linux 6.9: signal the group whose leader the pidfd means. Safe whatever became of the number."""


class Process:
    """The main process of one run. ``pidfd`` is readable once it has ended."""

    def __init__(self, identity: Identity, pidfd: int) -> None:
        """Take over ``pidfd``; :meth:`close` closes it."""
        self.identity = identity
        self.pidfd = pidfd
        self._exit: Exit | None = None
        self._reaped = False

    @classmethod
    def spawn(
        cls,
        spec: ServiceSpec,
        run_id: str,
        *,
        pass_fds: Sequence[int] = (),
        extra_env: Mapping[str, str] | None = None,
        node: str = "",
        nofile: Limits | None = None,
    ) -> "Process":
        """Start ``spec``'s program as run ``run_id``. Raises SpawnError, and then nothing is left behind.

        ``extra_env``: what medimgr's own services need beside the clean environment, secrets included.
        ``node``: MEDIMGR_NODE where empty. ``nofile``: the (soft, hard) limit of open files that the child
        gets instead of the supervisor's; what :func:`prepare_to_spawn` returned.
        """
        if not hasattr(os, "pidfd_open"):
            raise SpawnFailed("The supervisor runs on Linux 5.3 or newer: it needs pidfds.")
        pid = launch(
            spec,
            run_id,
            pass_fds=pass_fds,
            extra_env=extra_env,
            node=node or settings.MEDIMGR_NODE,
            data_dir=str(settings.MEDIMGR_DATA_DIR),
            nofile=nofile,
        )
        # It may have ended by now; as a zombie it still has its pid and its line in /proc.
        pidfd = -1
        try:
            pidfd = os.pidfd_open(pid)
            entry = find_stat(pid)
        except OSError as error:
            _kill_child(pid)
            if pidfd >= 0:
                os.close(pidfd)
            kind = TooManyFiles if error.errno in (errno.EMFILE, errno.ENFILE) else SpawnFailed
            raise kind(f"{spec.key} could not be watched: {error.strerror}.") from error
        return cls(Identity(pid, entry.start_ticks if entry else 0, boot_id(), run_id), pidfd)

    @classmethod
    def adopt(cls, identity: Identity) -> "Process | None":
        """Return the process that ``identity`` means, None where it is gone or the pid is a stranger's.

        Raises OSError where that cannot be found out (too many open files).
        """
        if identity.boot_id != boot_id() or identity.pid <= 0:
            return None
        try:
            pidfd = os.pidfd_open(identity.pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
                return None
            raise
        # The pidfd means one process for ever. If that one matches now, it always will.
        try:
            ours = _is_ours(identity)
        except OSError:
            os.close(pidfd)
            raise
        if ours:
            return cls(identity, pidfd)
        os.close(pidfd)
        return None

    def poll_exit(self) -> Exit | None:
        """Return how it ended, None while it runs. Leaves the zombie, so the pid stays taken."""
        if self._exit is None:
            try:
                result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            except ChildProcessError:  # not our child: taken over, or somebody else waited for it
                self._exit = self._exit_of_stranger()
            else:
                if result is not None:
                    self._exit = exit_of_child(result.si_code, result.si_status)
        return self._exit

    def _exit_of_stranger(self) -> Exit | None:
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        if not poller.poll(0):
            return None
        return exit_of_stranger(self.pidfd, self.identity)

    def signal(self, name: str) -> None:
        """Send a signal to the whole group, then SIGCONT, so that a stopped process can act on it.

        A group that is gone is not an error; what may not be signalled is logged.
        """
        self._signal_group(Signals[name])
        self._signal_group(SIGCONT)

    def kill_group(self) -> None:
        """Send SIGKILL to the whole group. Once nothing of the group is left, this does nothing."""
        self._signal_group(SIGKILL)

    def _signal_group(self, number: Signals) -> None:
        try:
            try:
                pidfd_send_signal(self.pidfd, number, None, _PIDFD_SIGNAL_PROCESS_GROUP)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                if self._group_is_ours():
                    os.killpg(self.identity.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            log.warning("pid %d may not be sent %s: it runs as another user", self.identity.pid, number.name)

    def _group_is_ours(self) -> bool:
        """Whether the group's number still means our group, for kernels that need to be asked by number.

        True while the main process is there, be it as a zombie: that keeps the number taken.
        """
        entry = read_stat(self.identity.pid)
        return not self._reaped and entry is not None and entry.start_ticks == self.identity.start_ticks

    def reap(self) -> None:
        """Let go of the zombie. Does nothing while the process runs, or where it is not our child."""
        if self.poll_exit() is None:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        self._reaped = True

    def close(self) -> None:
        """Close the pidfd. The process goes on, if it still runs. Calling it again does nothing."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def kill_verified(pid: int, start_ticks: int) -> bool:
    """Send SIGKILL to exactly the process that had ``pid`` and started at ``start_ticks``.

    Returns False where it is gone, is a stranger by now, or may not be signalled. For what a run has left
    outside its group: look up the pids with ``members`` and their start times in the same table.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        entry = read_stat(pid)
        if entry is None or entry.start_ticks != start_ticks:
            return False
        pidfd_send_signal(pidfd, SIGKILL)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return True


def _is_ours(identity: Identity) -> bool:
    entry = find_stat(identity.pid)
    if entry is None or entry.start_ticks != identity.start_ticks:
        return False
    # A program may rewrite its environment, so a missing marker means nothing; another run's does.
    marker = variable(read_environ(identity.pid) or b"", MARKER)
    return marker in (None, identity.run_id)


def _kill_child(pid: int) -> None:
    """End a child that we cannot watch, with its group, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
