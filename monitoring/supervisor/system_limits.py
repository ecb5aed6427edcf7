"""Limits of the system and the nice value, in force before a program's first instruction, in it alone.

The nice value is a thread's own on Linux and inherited over fork: so a thread that ends at once takes it
and starts the program. Limits belong to the whole process, and the supervisor must not have them even for
a moment; so the program is started through prlimit(1), which sets them and becomes the program: the pid
stays, nothing is left of it. It runs as the service's user already, since the service's environment may
name libraries that only this user should trust. Limits above the supervisor's own hard ones need its
rights: it raises those, which changes nothing for itself, for as long as the start takes.

What exec would say about the program is found out before (``program_check``), since prlimit could only
write it into the log. A service that declares none of all this is started as ever, without a thread and
without another program.
"""

import contextlib
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from monitoring.supervisor.spawn_problems import SpawnFailed, SupervisorNotPermitted
from monitoring.supervisor.spec import ResourceLimit, ServiceSpec

T = TypeVar("T")
_CAP_SYS_RESOURCE = 24
_TOOLS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNLIMITED = "unlimited"


def limiting_command(spec: ServiceSpec) -> tuple[str, ...]:
    """Return what goes before the program to set ``spec.rlimits``; empty without limits.

    Raises SpawnError where a limit cannot be set, or the tool is missing.
    """
    if not spec.rlimits:
        return ()
    for limit in spec.rlimits:
        _check(limit)
    tool = shutil.which("prlimit", path=_TOOLS_PATH)
    if tool is None:
        raise SpawnFailed(
            "Resource limits are set by prlimit(1), which this machine does not have. Install util-linux.",
        )
    options = (f"--{limit.name}={_word(limit.soft)}:{_word(limit.hard)}" for limit in spec.rlimits)
    return (tool, *options, "--")


@contextlib.contextmanager
def hard_limits_raised(spec: ServiceSpec) -> Iterator[None]:
    """Let our own hard limits be as high as the highest that ``spec`` declares, until the block is left.

    Raises SpawnError where they cannot be.
    """
    before = []
    try:
        for limit in spec.rlimits:
            number = _number(limit)
            soft, hard = resource.getrlimit(number)
            if _amount(limit.hard) > _amount(_or_none(hard)):
                resource.setrlimit(
                    number, (soft, resource.RLIM_INFINITY if limit.hard is None else limit.hard)
                )
                before.append((number, soft, hard))
        yield
    finally:
        for number, soft, hard in before:
            resource.setrlimit(number, (soft, hard))


def _word(amount: int | None) -> str:
    return _UNLIMITED if amount is None else str(amount)


def _check(limit: ResourceLimit) -> None:
    number = _number(limit)
    soft, hard = _amount(limit.soft), _amount(limit.hard)
    if soft > hard:
        raise SpawnFailed(
            f"The limit {limit.name} is to be {_word(limit.soft)}, but at most {_word(limit.hard)}.",
        )
    ours = _amount(_or_none(resource.getrlimit(number)[1]))
    if hard > ours and not _capable(_CAP_SYS_RESOURCE):
        raise SupervisorNotPermitted(
            f"The limit {limit.name} is to be {_word(limit.hard)}, but the supervisor's own is {ours:.0f}. "
            "To go beyond that takes root's capability SYS_RESOURCE. Lower it, or raise the supervisor's.",
        )
    if number == resource.RLIMIT_NOFILE and hard > (most := _most_files()):
        raise SupervisorNotPermitted(
            f"The limit nofile is to be {_word(limit.hard)}, but this machine's fs.nr_open is {most:.0f}.",
        )


def _number(limit: ResourceLimit) -> int:
    number = getattr(resource, f"RLIMIT_{limit.name.upper()}", None)
    if not isinstance(number, int):
        raise SpawnFailed(f"There is no resource limit {limit.name!r} on this machine.")
    return number


def _amount(number: int | None) -> float:
    return float("inf") if number is None else number


def _or_none(number: int) -> int | None:
    return None if number == resource.RLIM_INFINITY else number


def _most_files() -> float:
    try:
        return int(Path("/proc/sys/fs/nr_open").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return float("inf")


def _capable(bit: int) -> bool:
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
        mask = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    except (OSError, ValueError, StopIteration):
        return os.geteuid() == 0
    return bool(mask >> bit & 1)


def with_nice(nice: int | None, spec: ServiceSpec, start: Callable[[], T]) -> T:
    """Return what ``start`` does when it is run with this nice value; None: with our own.

    Raises what ``start`` raises, and SpawnError where we may not be as nice, or as little.
    """
    if nice is None or nice == os.getpriority(os.PRIO_PROCESS, 0):
        return start()
    outcome: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            _be_nice(nice, spec)
            outcome.append(start())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"starts {spec.key}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]


def _be_nice(nice: int, spec: ServiceSpec) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)  # 0 is the calling thread, not the process
    except PermissionError as error:
        raise SupervisorNotPermitted(
            f"{spec.key} is to run with nice {nice}, but the supervisor itself runs with "
            f"{os.getpriority(os.PRIO_PROCESS, 0)}: only root can go below that.",
        ) from error


def tell_autogroup(pid: int, nice: int | None) -> None:
    """Let the nice value count against other sessions, too, where the kernel schedules by session."""
    if nice is not None:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/autogroup", "wb", buffering=0) as file:
            file.write(str(nice).encode("ascii"))
