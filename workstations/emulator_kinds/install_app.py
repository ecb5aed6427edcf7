"""Installs an app on a running emulator, and looks with adb whether it is there."""

import time

from operations.job import Job
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.parameters import InstallParameters
from workstations.emulator_kinds.visit import Visit, at_emulator, own
from workstations.exceptions import AppFileMissing, NotVerified, RemoteExit
from workstations.models import Emulator
from workstations.powershell import FileFacts, ask

SECONDS = 600.0
PAUSE_SECONDS, LONGEST_PAUSE = 0.5, 5.0
_PREFIX = "package:"


def carry_out(job: Job) -> None:
    """Install it. Raises RemoteFailure; Unsafe where the emulator does not run, AppFileMissing."""
    wanted = job.parameters()
    if not isinstance(wanted, InstallParameters):
        raise TypeError("An app is wanted.")
    with at_emulator(job) as (visit, emulator):
        instance = own(visit.read(), emulator)
        safety.running(instance)
        before = packages(visit, emulator)
        if wanted.package in before and not wanted.path:
            visit.say(1, 1, f"{wanted.package} is installed on {emulator} already")
            return
        if wanted.path:
            file = ask(visit.host, FileFacts, timeout=60.0, path=wanted.path)
            if not file.exists:
                raise AppFileMissing(
                    f"There is no file {wanted.path} on {visit.workstation.name}. Copy it there first."
                )
        visit.say(0, 1, f"Installing {wanted.path or wanted.package} on {emulator}")
        visit.ldconsole.installapp(
            emulator.index, filename=wanted.path, package="" if wanted.path else wanted.package
        )
        installed = _when_there(visit, emulator, before, wanted.package)
        visit.say(1, 1, f"{', '.join(sorted(installed))} is installed on {emulator}")


def packages(visit: Visit, emulator: Emulator) -> frozenset[str]:
    """Return the names of all packages on the emulator. Raises RemoteExit where adb does not reach it."""
    result = visit.ldconsole.adb(emulator.index, "shell pm list packages")
    lines = [line.strip() for line in result.text.splitlines()]
    found = frozenset(line.removeprefix(_PREFIX) for line in lines if line.startswith(_PREFIX))
    if not found:  # Android has some of its own, always
        raise RemoteExit(f"adb does not tell what is installed on {emulator}. {result.in_words}.")
    return found


def _when_there(visit: Visit, emulator: Emulator, before: frozenset[str], package: str) -> frozenset[str]:
    """Return what was installed, once it is there. Raises NotVerified."""
    end = time.monotonic() + SECONDS
    pause = PAUSE_SECONDS
    while True:
        now = packages(visit, emulator)
        installed = frozenset({package}) & now if package else now - before
        if installed:
            return installed
        if time.monotonic() >= end:
            break
        visit.job.wait(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    raise NotVerified(
        f"{package} is not among the packages of {emulator} after {SECONDS:g} s."
        if package
        else f"No new package is on {emulator} after {SECONDS:g} s. One that was there before "
        "is seen only where its package is named, too."
    )
