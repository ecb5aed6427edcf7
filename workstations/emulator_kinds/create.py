"""Makes a new emulator."""

from operations.job import Job
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.listing import Listing
from workstations.emulator_kinds.modify import modify
from workstations.emulator_kinds.newcomers import newcomer, remember, remembered
from workstations.emulator_kinds.parameters import CreateParameters
from workstations.emulator_kinds.rename import rename
from workstations.emulator_kinds.visit import Visit, at_workstation
from workstations.exceptions import NotVerified, RemoteExit
from workstations.ldplayer.list2 import Instance

APPEARS_SECONDS = 30.0
GONE_SECONDS = 10.0


def carry_out(job: Job) -> None:
    """Make it, with its title and hardware. Raises RemoteFailure; Unsafe where the title is taken.

    Where the title or the hardware can't be had, what was made is deleted again, or it is said that it
    could not be.
    """
    wanted = job.parameters()
    if not isinstance(wanted, CreateParameters):
        raise TypeError("A title is wanted.")
    with at_workstation(job) as visit:
        reading = visit.read()
        before = remembered(job)
        if before is None or newcomer(reading, before, wanted.title) is None:
            safety.title_free(reading, wanted.title)
            begun = f"Creating {wanted.title}"
            before = remember(job, reading, begun)
            job.log(begun)
            visit.ldconsole.add(wanted.title)
        else:
            job.log("An earlier try of this operation has made it")
        made = _when_there(visit, before)
        try:
            if made.title != wanted.title:
                job.log(f"It is called {made.title!r}: renaming it", "warning")
                rename(visit, made.index, wanted.title)
            if not wanted.empty:
                visit.say(1, 2, f"Giving {wanted.title} (index {made.index}) its hardware")
                modify(visit, made.index, wanted)
        except (NotVerified, RemoteExit) as failure:
            raise type(failure)(f"{failure.detail} {_take_back(visit, made)}") from failure
        visit.say(2, 2, f"{wanted.title} has index {made.index}")


def _when_there(visit: Visit, before: frozenset[int]) -> Instance:
    """Return what is new in the list, whatever it is called. Raises NotVerified."""

    def new(reading: Listing) -> Instance | None:
        return next((one for one in reading.instances if one.index not in before), None)

    made = visit.until(new, APPEARS_SECONDS)
    if made is None:
        raise NotVerified(
            "ldconsole took the order to create an emulator, but none has come. Is there room on the disk? "
            "What it printed is in the log of this operation."
        )
    return made


def _take_back(visit: Visit, made: Instance) -> str:
    """Delete what was made, and return what to say of that."""
    visit.job.log(f"Deleting {safety.named(made)} again", "warning")
    visit.ldconsole.remove(made.index)
    gone = visit.until(lambda reading: None if reading.at(made.index) else True, GONE_SECONDS)
    if gone is None:
        return f"The emulator that was made is left, with index {made.index}: delete it."
    return "The emulator that was made is deleted again."
