"""Starts a service's program, and says in words why where it cannot.

The program gets a session and process group of its own, /dev/null to read from, and its log file, opened
for appending, to write to (or one for each output): nothing that ties its life to the supervisor's. No
``preexec_fn`` (unsafe with threads) and no shell. Linux is what the supervisor runs on (pidfds, ``/proc``).
"""

import contextlib
import errno
import logging
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from monitoring.supervisor.child_environment import (
    Account,
    UnknownAccount,
    account,
    child_environment,
    command_environment,
)
from monitoring.supervisor.logs import open_log
from monitoring.supervisor.program_check import check_program
from monitoring.supervisor.spawn_errors import explain
from monitoring.supervisor.spawn_problems import LogUnwritable, SpawnFailed, UserUnknown
from monitoring.supervisor.spec import ServiceSpec
from monitoring.supervisor.switching import Switch, switch_to
from monitoring.supervisor.system_limits import (
    hard_limits_raised,
    limiting_command,
    tell_autogroup,
    with_nice,
)

log = logging.getLogger(__name__)
Limits = tuple[int, int]


def prepare_to_spawn() -> Limits:
    """Make this process fit to be a supervisor; once, at its start, in the main thread.

    Raises the soft limit of open files to the hard one and returns (soft, hard) as they were: give that
    to ``Process.spawn(nofile=...)``, since programs that count on the usual limit (``select``, closing
    every number up to it) must not inherit a huge one. And what whoever started us had blocked or ignored
    (``nohup``, a shell's ``&``) is not handed on: a program that ignores SIGINT unknowingly cannot be
    stopped with it.
    """
    for number in signal.valid_signals():
        # SIGPIPE and SIGXFSZ are Python's own doing, and restored for each child.
        if signal.getsignal(number) is signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            # Has no effect on us either, but is back to the default in what we start.
            signal.signal(number, _ignore)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    return before


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing about a signal."""


def launch(
    spec: ServiceSpec,
    run_id: str,
    *,
    pass_fds: Sequence[int] = (),
    extra_env: Mapping[str, str] | None = None,
    node: str,
    data_dir: str,
    nofile: Limits | None = None,
) -> int:
    """Start ``spec``'s program and return its pid; the caller has to wait for it. Raises SpawnError.

    Whatever fails, no process and no open file is left behind.
    """
    if not spec.command or not spec.command[0]:
        raise SpawnFailed(f"{spec.key} has no command. Declare one.")
    who = _account(spec)
    env = child_environment(spec, run_id, who, extra_env or {}, node=node, data_dir=data_dir)
    with contextlib.ExitStack() as files:
        output = _open_log(spec, spec.log_path)
        files.callback(os.close, output)
        errors = subprocess.STDOUT
        if spec.stderr_path != spec.log_path:
            errors = _open_log(spec, spec.stderr_path)
            files.callback(os.close, errors)
        return _start(spec, env, who, output, errors, pass_fds, nofile)


def launch_command(
    spec: ServiceSpec,
    env: Mapping[str, str],
    output: int,
    *,
    node: str,
    data_dir: str,
    nofile: Limits | None = None,
) -> int:
    """Start ``spec.command`` as a command that goes with the service; return its pid. Raises SpawnError.

    It runs as the service does (user, directory, environment, limits) but for its marks: it belongs to no
    run. ``env`` comes on top; both its outputs go to the descriptor ``output``.
    """
    if not spec.command or not spec.command[0]:
        raise SpawnFailed(f"A command of {spec.key} is empty.")
    who = _account(spec)
    whole = command_environment(spec, who, env, node=node, data_dir=data_dir)
    return _start(spec, whole, who, output, subprocess.STDOUT, (), nofile)


def _account(spec: ServiceSpec) -> Account | None:
    try:
        return account(spec.user)
    except UnknownAccount as error:
        raise UserUnknown(str(error)) from error


def _start(
    spec: ServiceSpec,
    env: dict[str, str],
    who: Account | None,
    output: int,
    errors: int,
    pass_fds: Sequence[int],
    nofile: Limits | None,
) -> int:
    switch = switch_to(who, spec.user_group)
    limiting = limiting_command(spec)
    if limiting:
        check_program(spec, env, switch)
    try:
        with hard_limits_raised(spec):
            popen = with_nice(
                spec.nice, spec, lambda: _popen(spec, env, limiting, switch, output, errors, pass_fds)
            )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise explain(error, spec, env) from error
    # From here on the pidfd waits for it. A Popen that believes it is finished never waits by itself.
    popen.returncode = 0
    tell_autogroup(popen.pid, spec.nice)
    if nofile is not None and not any(limit.name == "nofile" for limit in spec.rlimits):
        # It has inherited our own, raised limit for the microseconds up to here.
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(popen.pid, resource.RLIMIT_NOFILE, nofile)
    return popen.pid


def _popen(
    spec: ServiceSpec,
    env: dict[str, str],
    limiting: tuple[str, ...],
    switch: Switch,
    output: int,
    errors: int,
    pass_fds: Sequence[int],
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        limiting + spec.command,
        cwd=spec.cwd or None,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        close_fds=True,
        pass_fds=pass_fds,
        start_new_session=True,
        restore_signals=True,
        user=switch.uid,
        group=switch.gid,
        extra_groups=switch.groups,
        umask=-1 if spec.umask is None else spec.umask,
    )


def _open_log(spec: ServiceSpec, path: Path) -> int:
    try:
        return open_log(path)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise explain(error, spec, {}) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            # A full disk must not keep a service down; its lines would be lost in any case.
            log.warning("%s: no room for its log %s; its output is discarded", spec.key, path)
            return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        raise LogUnwritable(
            f"The log {path} cannot be opened for writing: {error.strerror}. "
            "Make its directory writable for the supervisor.",
        ) from error
