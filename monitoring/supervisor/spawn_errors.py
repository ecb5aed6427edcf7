"""Why a program could not be started, in words and with a stable code.

``exec`` answers "no such file" for a missing program, a missing directory and a missing interpreter
alike, so this looks at what is there and names the one that is missing.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from monitoring.supervisor.spawn_problems import (
    CommandNotFound,
    CwdMissing,
    NoMemory,
    NotExecutable,
    SpawnError,
    SpawnFailed,
    SupervisorNotPermitted,
    TooManyFiles,
    TooManyProcesses,
)
from monitoring.supervisor.spec import ServiceSpec

_SHORTAGES: dict[int, SpawnError] = {
    errno.EMFILE: TooManyFiles("The supervisor has too many files open. Raise its limit (ulimit -n)."),
    errno.ENFILE: TooManyFiles("The machine has too many files open. Raise fs.file-max."),
    errno.EAGAIN: TooManyProcesses(
        "The limit of processes is reached for this user or machine. Raise it (ulimit -u, pids.max)."
    ),
    errno.ENOMEM: NoMemory("There is not enough memory to start another process. Free some."),
}


def explain(error: Exception, spec: ServiceSpec, env: Mapping[str, str]) -> SpawnError:
    """Return what ``error``, raised by starting ``spec`` with ``env``, means. Looks at the file system."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, OSError) and number in _SHORTAGES:
        return shortage(error)
    if number in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP):
        return _cwd_error(spec.cwd) or _program_error(number, spec, env)
    if number == errno.ENOEXEC:
        return NotExecutable(
            f"{spec.command[0]} is neither a program for this machine nor a script with a #! line.",
        )
    words = error.strerror if isinstance(error, OSError) else str(error)
    return SpawnFailed(f"{spec.command[0]} could not be started: {words}.")


def shortage(error: OSError) -> SpawnError:
    """Return what an error means that has nothing to do with the program: the machine is short of it."""
    if error.errno in _SHORTAGES:
        known = _SHORTAGES[error.errno]
        return type(known)(known.detail)
    return SpawnFailed(f"The system refused: {error.strerror or error}.")


def _cwd_error(cwd: str) -> SpawnError | None:
    if not cwd:
        return None
    try:
        mode = os.stat(cwd).st_mode
    except PermissionError:
        return SupervisorNotPermitted(f"The supervisor may not enter the directory {cwd}.")
    except OSError:
        return CwdMissing(f"There is no directory {cwd} to run in. Make it, or change cwd.")
    if not stat.S_ISDIR(mode):
        return CwdMissing(f"{cwd}, to run in, is not a directory. Change cwd.")
    if not os.access(cwd, os.X_OK):
        return SupervisorNotPermitted(f"The supervisor may not enter the directory {cwd}.")
    return None


def _program_error(number: int, spec: ServiceSpec, env: Mapping[str, str]) -> SpawnError:
    program = spec.command[0]
    if number == errno.EPERM:
        return SupervisorNotPermitted(
            f"The supervisor may not start {program}{_as_whom(spec)}.",
        )
    found = program_path(program, spec.cwd, env)
    if found is None:
        where = (
            f"file {program}" if "/" in program else f"program {program!r} on the PATH ({env.get('PATH')})"
        )
        if "/" in program and not program.startswith("/"):
            where += f" in {spec.cwd or os.getcwd()}"
        return CommandNotFound(f"There is no {where}. Install it or correct the command.")
    if not found.exists():
        return CommandNotFound(f"{found} is a link to {os.readlink(found)}, which does not exist.")
    if found.is_dir():
        return NotExecutable(f"{found} is a directory, not a program.")
    if not os.access(found, os.X_OK):
        return NotExecutable(f"{found} is not executable. Make it so (chmod +x).")
    interpreter = interpreter_of(found)
    if number in (errno.ENOENT, errno.ENOTDIR):
        missing = f"its interpreter {interpreter}" if interpreter else "the loader that it was built for"
        return NotExecutable(f"{found} is there, but {missing} is missing. Install that.")
    named = f" or its interpreter {interpreter}" if interpreter else ""
    return NotExecutable(
        f"{found}{named} may not be executed"
        + (f" by {spec.user}" if spec.user else "")
        + ": look at its mode, the directories above it, and mount options such as noexec.",
    )


def _as_whom(spec: ServiceSpec) -> str:
    if spec.user:
        return f" as {spec.user}: only root can change the user"
    if spec.user_group:
        return f" with the group {spec.user_group}: only root can change the group"
    return ""


def program_path(program: str, cwd: str, env: Mapping[str, str]) -> Path | None:
    """Return the first place where ``program`` is, followed as ``exec`` does it; a dead link counts."""
    base = Path(cwd or ".")
    if "/" in program:
        places = [base / program]
    else:
        places = [base / directory / program for directory in os.get_exec_path(env)]
    files = [place for place in places if os.path.lexists(place)]
    return next((place for place in files if os.access(place, os.X_OK)), files[0] if files else None)


def interpreter_of(script: Path) -> str:
    """Return the interpreter that a script's first line names, empty where it names none."""
    try:
        with script.open("rb") as file:
            line = file.readline(256)
    except OSError:
        return ""
    words = line[2:].split()
    return words[0].decode("utf-8", "replace") if line.startswith(b"#!") and words else ""
