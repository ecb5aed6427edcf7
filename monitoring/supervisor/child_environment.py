"""What a service's process finds in its environment, and as whom it runs."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.supervisor.identity import (
    MARKER,
    MARKER_COMMAND,
    MARKER_DATA_DIR,
    MARKER_NODE,
    MARKER_SERVICE,
    MARKER_SUPERVISOR,
    supervisor_mark,
)
from monitoring.supervisor.spec import ServiceSpec

# What a program may expect of the place where it runs. All else of the supervisor's own environment
# stays with it: the secret key and the database's password are there.
INHERITED = frozenset(
    {
        "PATH",
        "HOME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "VIRTUAL_ENV",
        # The categories of glibc's locale(7).
        "LC_ALL",
        "LC_ADDRESS",
        "LC_COLLATE",
        "LC_CTYPE",
        "LC_IDENTIFICATION",
        "LC_MEASUREMENT",
        "LC_MESSAGES",
        "LC_MONETARY",
        "LC_NAME",
        "LC_NUMERIC",
        "LC_PAPER",
        "LC_TELEPHONE",
        "LC_TIME",
    }
)
# Directories of the supervisor's account, where another one has no business.
_OWN_ACCOUNT_ONLY = frozenset({"TMPDIR", "XDG_RUNTIME_DIR"})
INSTANCE = "MEDIMGR_INSTANCE"
"""Tells a program which of its service's copies it is, from 0 on."""
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class UnknownAccount(LookupError):
    """There is no such account on this machine."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine, with its primary and supplementary groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    @property
    def needs_switch(self) -> bool:
        """Whether a process has to change its user to run as this account.

        Root always does, since its supplementary groups may be more than the account's own.
        """
        return os.geteuid() == 0 or os.geteuid() != self.uid


def account(name: str) -> Account | None:
    """Return the account called ``name``, None for the supervisor's own ("").

    Raises UnknownAccount where this machine has none of that name.
    """
    if not name:
        return None
    try:
        row = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise UnknownAccount(
            f"There is no account {name!r} on this machine. Create it, or choose another user."
        ) from None
    groups = tuple(os.getgrouplist(name, row.pw_gid))
    return Account(name, row.pw_uid, row.pw_gid, groups, row.pw_dir, row.pw_shell)


def child_environment(
    spec: ServiceSpec,
    run_id: str,
    who: Account | None,
    extra: Mapping[str, str],
    *,
    node: str,
    data_dir: str,
) -> dict[str, str]:
    """Return a service's whole environment.

    The later wins: the few variables every program needs, the account's, the data directory (a service
    may be an installation with another one), ``extra`` (for medimgr's own services), the declared ones,
    and last the marks by which its processes are found again.
    """
    env = _of_the_place(who)
    env[MARKER_DATA_DIR] = data_dir
    env |= extra
    env |= spec.environment()
    env.pop(MARKER_COMMAND, None)
    marks = {MARKER: run_id, MARKER_SERVICE: spec.key, MARKER_NODE: node}
    marks[MARKER_SUPERVISOR] = supervisor_mark(node, data_dir)
    return env | marks | {INSTANCE: str(spec.instance)}


def command_environment(
    spec: ServiceSpec, who: Account | None, extra: Mapping[str, str], *, node: str, data_dir: str
) -> dict[str, str]:
    """Return the whole environment of a command that goes with a service: a hook, a probe.

    The same as the service's, and ``extra``; but its marks say that it is no process of a run, so that
    nobody takes it for the service itself.
    """
    env = _of_the_place(who)
    env[MARKER_DATA_DIR] = data_dir
    env |= spec.environment()
    env |= extra
    for mark in (MARKER, MARKER_SERVICE):
        env.pop(mark, None)
    marks = {MARKER_COMMAND: spec.key, MARKER_NODE: node}
    marks[MARKER_SUPERVISOR] = supervisor_mark(node, data_dir)
    return env | marks | {INSTANCE: str(spec.instance)}


def _of_the_place(who: Account | None) -> dict[str, str]:
    """Return the variables that every program needs, and those of its account."""
    # By name: to read all variables of the supervisor takes as long as half of a start.
    env = {name: value for name in INHERITED if (value := os.environ.get(name)) is not None}
    env.setdefault("PATH", _DEFAULT_PATH)
    if who is not None:
        if who.uid != os.geteuid():
            env = {name: value for name, value in env.items() if name not in _OWN_ACCOUNT_ONLY}
        env |= {"HOME": who.home, "USER": who.name, "LOGNAME": who.name, "SHELL": who.shell or "/bin/sh"}
    return env
