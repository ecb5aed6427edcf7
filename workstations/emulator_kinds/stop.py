"""Ends an emulator and waits until nothing of it runs."""

from operations.job import Job
from workstations.emulator_kinds.listing import Listing
from workstations.emulator_kinds.safety import named
from workstations.emulator_kinds.visit import Visit, at_emulator, own, wait_for_the_preempted
from workstations.exceptions import NotVerified
from workstations.ldplayer.list2 import Instance, state_of
from workstations.models import Emulator

QUIT_SECONDS = 30.0
"""So long its processes may live on after a quit, until it is asked once more."""
ATTEMPTS = 2


def carry_out(job: Job) -> None:
    """Stop it, or say that it is stopped. Raises RemoteFailure; NotVerified where it goes on."""
    wait_for_the_preempted(job)
    with at_emulator(job) as (visit, emulator):
        instance = own(visit.read(), emulator)
        if instance.at_rest:
            visit.say(1, 1, f"{named(instance)} is stopped already")
            return
        stop(visit, emulator, total=1)


def stop(visit: Visit, emulator: Emulator, *, total: int) -> None:
    """Quit the emulator and wait until it is at rest. Raises NotVerified."""
    last: Instance | None = None

    def rests(reading: Listing) -> Instance | None:
        nonlocal last
        last = own(reading, emulator)
        return last if last.at_rest else None

    for attempt in range(ATTEMPTS):
        visit.say(0, total, f"Stopping {emulator.title}{', once more' if attempt else ''}")
        visit.ldconsole.quit(emulator.index)
        if visit.until(rests, QUIT_SECONDS) is not None:
            visit.say(1, total, f"{emulator.title} is stopped")
            return
    state = state_of(last) if last is not None else "unknown"
    raise NotVerified(
        f"{emulator} was told {ATTEMPTS} times to quit and is still {state}. End its processes at the "
        f"desktop{f': {last.pid} and {last.vbox_pid}' if last is not None else ''}."
    )
