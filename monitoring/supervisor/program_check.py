"""Finds out what exec would say about a program, for where a wrapper's exec would say it to nobody.

It knows what can be seen: the file, its mode and that of the directories above it, its first bytes, its
interpreter, and noexec mounts. Access control lists and security modules it does not ask.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from monitoring.supervisor.spawn_errors import explain, interpreter_of, program_path
from monitoring.supervisor.spec import ServiceSpec
from monitoring.supervisor.switching import Switch

_BINARY_FORMATS = Path("/proc/sys/fs/binfmt_misc")
_NO_FORMATS = frozenset({"register", "status"})


def check_program(spec: ServiceSpec, env: Mapping[str, str], switch: Switch) -> None:
    """Raise the SpawnError that a start of ``spec``'s program with ``env`` would end with."""
    number = _fault(program_path(spec.command[0], spec.cwd, env), switch)
    if number:
        raise explain(OSError(number, os.strerror(number)), spec, env)


def _fault(program: Path | None, switch: Switch) -> int:
    """Return the errno of exec, 0 where it would work."""
    if program is None or not program.exists():
        return errno.ENOENT
    if program.is_dir() or not os.access(program, os.X_OK) or not _may_run(program, switch):
        return errno.EACCES
    if os.statvfs(program).f_flag & os.ST_NOEXEC:
        return errno.EACCES
    try:
        with program.open("rb") as file:
            first = file.read(4)
    except OSError:
        return 0  # executable, though not readable
    if first.startswith(b"#!"):
        interpreter = interpreter_of(program)
        return 0 if interpreter and Path(interpreter).exists() else errno.ENOENT
    return 0 if first == b"\x7fELF" or _other_formats() else errno.ENOEXEC


def _may_run(program: Path, switch: Switch) -> bool:
    """Return whether the user that we switch to gets to the program and may run it."""
    if not switch:
        return True
    uid = os.geteuid() if switch.uid is None else switch.uid
    groups = switch.all_groups
    place = program.resolve()
    try:
        return all(_executable(path.stat(), uid, groups) for path in (place, *place.parents))
    except OSError:
        return False


def _executable(status: os.stat_result, uid: int, groups: frozenset[int]) -> bool:
    if uid == 0:
        return stat.S_ISDIR(status.st_mode) or bool(status.st_mode & 0o111)
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    return bool(status.st_mode & (stat.S_IXGRP if status.st_gid in groups else stat.S_IXOTH))


def _other_formats() -> bool:
    """Return whether this machine runs programs by more than ``#!`` and ELF."""
    try:
        return bool(set(os.listdir(_BINARY_FORMATS)) - _NO_FORMATS)
    except OSError:
        return False
