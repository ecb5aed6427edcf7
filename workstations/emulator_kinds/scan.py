"""Reads the emulators of a workstation, their processors and memory too."""

from collections import Counter

from operations.job import Job
from workstations.emulator_kinds.visit import at_workstation
from workstations.ldplayer.list2 import state_of


def carry_out(job: Job) -> None:
    """Read, store and publish what has changed. Raises RemoteFailure."""
    with at_workstation(job) as visit:
        job.progress(0, 1, f"Reading the emulators of {visit.workstation.name}")
        reading = visit.read(with_configs=True)
        states = Counter(state_of(instance).value for instance in reading.instances)
        count = len(reading.instances)
        details = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        visit.say(1, 1, f"{count} emulator{'' if count == 1 else 's'}{': ' if details else ''}{details}")
