"""Ends an emulator and starts it again.

Not by ldconsole's own ``reboot``, which starts it from where it is called: in a session without a desktop.
"""

from operations.job import Job
from workstations.emulator_kinds.safety import named
from workstations.emulator_kinds.start import start
from workstations.emulator_kinds.stop import stop
from workstations.emulator_kinds.visit import at_emulator, own


def carry_out(job: Job) -> None:
    """Stop it where anything of it runs, then start it. Raises RemoteFailure, NotVerified."""
    with at_emulator(job) as (visit, emulator):
        instance = own(visit.read(), emulator)
        if instance.at_rest:
            visit.say(1, 3, f"{named(instance)} is stopped already")
        else:
            stop(visit, emulator, total=3)
        start(visit, emulator, done=1, total=3)
