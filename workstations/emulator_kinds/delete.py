"""Deletes an emulator with all that is on it."""

import re

from operations.job import Job
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.listing import Listing
from workstations.emulator_kinds.visit import Visit, at_emulator, own
from workstations.exceptions import NotVerified
from workstations.ldplayer.list2 import Instance
from workstations.models import Emulator

ATTEMPTS = 3
GONE_SECONDS = 10.0
STAYS_AWAY_SECONDS = 3.0
"""So long it is watched whether LDPlayer makes an empty emulator in its place."""
_EMPTY = re.compile(r"(?:LD|ld)Player(?:-\d+)?")


def carry_out(job: Job) -> None:
    """Delete it. Raises RemoteFailure; Unsafe while anything of it runs, NotVerified where it stays."""
    with at_emulator(job) as (visit, emulator):
        reading = visit.read()
        if reading.at(emulator.index) is None:
            visit.say(1, 1, f"{emulator} is not there any more")
            return
        instance = own(reading, emulator)
        safety.at_rest(instance, "deleted")
        for attempt in range(1, ATTEMPTS + 1):
            visit.say(attempt - 1, ATTEMPTS, f"Deleting {safety.named(instance)}, attempt {attempt}")
            left = delete(visit, emulator)
            if left is None:
                visit.say(ATTEMPTS, ATTEMPTS, f"{emulator} is deleted")
                return
            instance = left
            job.log(f"After that there is {safety.named(instance)}", "warning")
            safety.at_rest(instance, "deleted")
        raise NotVerified(
            f"{emulator} was deleted {ATTEMPTS} times, and {safety.named(instance)} is still at its place. "
            "Delete it at the desktop."
        )


def delete(visit: Visit, emulator: Emulator) -> Instance | None:
    """Delete what is at the emulator's index; return what is there a moment later and was to go, if anything.

    LDPlayer may make an empty one in its place. What has another title than those have is somebody's new one.
    """
    visit.ldconsole.remove(emulator.index)

    def gone(reading: Listing) -> bool | None:
        return None if _remains(reading, emulator) else True

    def back(reading: Listing) -> Instance | None:
        return _remains(reading, emulator)

    if visit.until(gone, GONE_SECONDS) is None:
        return _remains(visit.read(), emulator)
    return visit.until(back, STAYS_AWAY_SECONDS)


def _remains(reading: Listing, emulator: Emulator) -> Instance | None:
    """Return what is at the index where that is the emulator, or an empty one in its place. Pure."""
    found = reading.at(emulator.index)
    if found is None or (found.title != emulator.title and not _EMPTY.fullmatch(found.title)):
        return None
    return found
