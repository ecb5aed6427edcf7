"""Gives an emulator another title."""

from operations.job import Job
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.listing import Listing
from workstations.emulator_kinds.parameters import TitleParameters
from workstations.emulator_kinds.visit import Visit, at_emulator, own
from workstations.exceptions import NotVerified
from workstations.ldplayer.list2 import Instance

SECONDS = 15.0


def carry_out(job: Job) -> None:
    """Rename it, or say that it is called so. Raises RemoteFailure; Unsafe where the title is taken."""
    wanted = job.parameters()
    if not isinstance(wanted, TitleParameters):
        raise TypeError("A title is wanted.")
    with at_emulator(job) as (visit, emulator):
        reading = visit.read()
        so_already = reading.at(emulator.index)
        # Also by an earlier try whose worker was lost before it could read the title back.
        if so_already is not None and so_already.title == wanted.title:
            visit.say(1, 1, f"{safety.named(so_already)} is called so already")
            return
        instance = own(reading, emulator)
        safety.title_free(reading, wanted.title)
        visit.say(0, 1, f"Renaming {safety.named(instance)} to {wanted.title}")
        rename(visit, instance.index, wanted.title)
        visit.say(1, 1, f"Index {instance.index} is called {wanted.title}")


def rename(visit: Visit, index: int, title: str) -> None:
    """Rename what is at ``index``, and read it back. Raises NotVerified."""
    result = visit.ldconsole.rename(index, title)

    def called_so(reading: Listing) -> Instance | None:
        found = reading.at(index)
        return found if found is not None and found.title == title else None

    if visit.until(called_so, SECONDS) is not None:
        return
    found = visit.read().at(index)
    raise NotVerified(
        f"It is still called {found.title!r}, not {title!r}. {result.in_words}."
        if found is not None
        else f"There is no emulator with index {index} any more. {result.in_words}."
    )
