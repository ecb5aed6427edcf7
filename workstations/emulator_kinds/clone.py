"""Copies an emulator with all that is on it. LDPlayer does so in the background, for minutes."""

from datetime import timedelta

from django.utils import timezone

from operations.job import Job
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.listing import Listing
from workstations.emulator_kinds.newcomers import newcomer, remember, remembered
from workstations.emulator_kinds.parameters import TitleParameters
from workstations.emulator_kinds.visit import Visit, at_emulator, own
from workstations.exceptions import NotVerified, Unsafe
from workstations.ldplayer.exit_codes import COPY_UNDER_WAY
from workstations.ldplayer.list2 import Instance
from workstations.models import Change, Emulator
from workstations.states import EmulatorState

APPEARS_SECONDS = 30.0
COPY_SECONDS = 3000.0
SETTLE_SECONDS = 8.0
"""So long after its end VirtualBox holds an emulator's files: what is copied before is half for ever."""
GONE_SECONDS = 10.0


def carry_out(job: Job) -> None:
    """Copy it, and wait until the copy is whole. Raises RemoteFailure; Unsafe while it runs."""
    wanted = job.parameters()
    if not isinstance(wanted, TitleParameters):
        raise TypeError("A title is wanted.")
    with at_emulator(job) as (visit, emulator):
        reading = visit.read()
        source = own(reading, emulator)
        before = remembered(job)
        if before is None or newcomer(reading, before, wanted.title) is None:
            safety.at_rest(source, "cloned")
            safety.title_free(reading, wanted.title)
            _let_settle(visit, emulator)
            begun = f"Copying {safety.named(source)} to {wanted.title}"
            before = remember(job, reading, begun)
            job.log(begun)
            result = visit.ldconsole.copy(source.index, wanted.title)
            if result.exit_code == COPY_UNDER_WAY:
                raise Unsafe(_clear_away(visit, before, wanted.title))
        else:
            job.log("An earlier try of this operation has begun the copy")
        clone = _when_whole(visit, before, wanted.title)
        visit.read(with_configs=True)  # its processors and memory, too
        visit.say(2, 2, f"{safety.named(clone)} is a clone of {safety.named(source)}")


def _let_settle(visit: Visit, emulator: Emulator) -> None:
    ended = Change.objects.filter(
        workstation=visit.workstation,
        index=emulator.index,
        what="state",
        after=EmulatorState.STOPPED,
        at__gt=timezone.now() - timedelta(seconds=SETTLE_SECONDS),
    )
    if ended.exists():
        visit.say(
            0, 2, f"Waiting {SETTLE_SECONDS:g} s: {emulator} has only just ended, and its files are held"
        )
        visit.job.wait(SETTLE_SECONDS)


def _when_whole(visit: Visit, before: frozenset[int], title: str) -> Instance:
    """Return the clone once it is whole. Raises NotVerified where it does not come, or not in time."""

    def there(reading: Listing) -> Instance | None:
        return newcomer(reading, before, title)

    def whole(reading: Listing) -> Instance | None:
        found = there(reading)
        return found if found is not None and found.whole else None

    found = visit.until(there, APPEARS_SECONDS)
    if found is None:
        raise NotVerified(
            f"ldconsole took the order to copy, but there is no emulator called {title!r}. Is there room "
            "on the disk? What it printed is in the log of this operation."
        )
    visit.say(1, 2, f"Waiting until {safety.named(found)} is whole")
    if found.width is None:
        visit.job.log(
            "This LDPlayer does not tell when a copy is complete: wait before it is used", "warning"
        )
    clone = visit.until(whole, COPY_SECONDS)
    if clone is None:
        raise NotVerified(
            f"{safety.named(found)} has no size after {COPY_SECONDS:g} s: the copy failed or still goes on. "
            "Look at the disk of the workstation; delete it where nothing is written any more."
        )
    return clone


def _clear_away(visit: Visit, before: frozenset[int], title: str) -> str:
    """Delete the half copy that LDPlayer leaves where another copy is under way; return what to say."""
    told = f"Another copy is under way on {visit.workstation.name}, and LDPlayer makes one at a time."
    half = visit.until(lambda reading: newcomer(reading, before, title), 2.0)
    if half is None:
        return f"{told} Nothing was made. Ask again when it is done."
    visit.say(0, 2, f"Deleting {safety.named(half)}, which is half")
    visit.ldconsole.remove(half.index)
    gone = visit.until(lambda reading: None if newcomer(reading, before, title) else True, GONE_SECONDS)
    if gone is None:
        return f"{told} {safety.named(half)} is half and could not be deleted: delete it at the desktop."
    return f"{told} What it left half was deleted. Ask again when it is done."
