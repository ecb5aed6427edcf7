"""Starts an emulator and waits until it has a virtual machine."""

from operations.job import Job
from workstations.emulator_kinds.listing import Listing
from workstations.emulator_kinds.safety import named
from workstations.emulator_kinds.visit import Visit, at_emulator, own
from workstations.exceptions import NotVerified, Unsafe
from workstations.ldplayer.list2 import Instance, state_of
from workstations.models import Emulator
from workstations.states import EmulatorState, Launch

APPEARS_SECONDS = 45.0
"""So long after a launch nothing of an emulator may be seen before it counts as not started."""


def carry_out(job: Job) -> None:
    """Start it, or say that it runs. Raises RemoteFailure; NotVerified where it did not come up in time."""
    with at_emulator(job) as (visit, emulator):
        instance = own(visit.read(), emulator)
        state = state_of(instance)
        if state == EmulatorState.RUNNING:
            visit.say(1, 1, f"{named(instance)} runs already")
        elif state == EmulatorState.ZOMBIE:
            raise Unsafe(
                f"{named(instance)} calls itself started and has no virtual machine, or the other way round. "
                "Restart it, or stop it first."
            )
        else:
            start(visit, emulator, launch=state == EmulatorState.STOPPED)


def start(visit: Visit, emulator: Emulator, *, launch: bool = True, done: int = 0, total: int = 2) -> None:
    """Launch the emulator and wait until it runs; without ``launch`` wait only. Raises NotVerified."""
    workstation = visit.workstation
    if launch:
        visit.say(done, total, f"Launching {emulator.title}")
        visit.ldconsole.launch(emulator.index)
    visit.say(done + 1, total, f"Waiting until {emulator.title} runs, up to {workstation.boot_seconds} s")
    seen = not launch
    last: Instance | None = None

    def come_up(reading: Listing) -> EmulatorState | None:
        """Return how the start ended: running, or stopped again; None while it goes on."""
        nonlocal seen, last
        last = own(reading, emulator)
        if state_of(last) == EmulatorState.RUNNING:
            return EmulatorState.RUNNING
        if not last.at_rest:
            seen = True
            return None
        return EmulatorState.STOPPED if seen else None

    end = visit.until(come_up, min(APPEARS_SECONDS, workstation.boot_seconds))
    if end is None and seen:
        end = visit.until(come_up, max(0.0, workstation.boot_seconds - APPEARS_SECONDS))
    if end == EmulatorState.RUNNING and last is not None:
        visit.say(total, total, f"{named(last)} runs, with the virtual machine in process {last.vbox_pid}")
        return
    raise NotVerified(_why(visit, emulator, last, seen=seen, ended=end == EmulatorState.STOPPED))


def _why(visit: Visit, emulator: Emulator, last: Instance | None, *, seen: bool, ended: bool) -> str:
    """Return in words why it does not run."""
    workstation = visit.workstation
    name = named(last) if last is not None else str(emulator)
    if ended:
        return f"{name} began to start and ended again. Start it at the desktop to see why."
    if not seen:
        by_task = workstation.launch == Launch.TASK
        user = workstation.desktop_user or workstation.username
        return (
            f"Nothing of {name} was seen after its launch. "
            + (
                f"Is {user} logged on to {workstation.name}? Its task runs on that desktop alone."
                if by_task
                else ""
            )
            + ("" if by_task else "Launched directly it has no desktop; let it be started by a task.")
        ).strip()
    if last is not None and state_of(last) == EmulatorState.ZOMBIE:
        return (
            f"{name} calls itself started, and has no virtual machine after {workstation.boot_seconds} s. "
            "VirtualBox of LDPlayer hangs, or it was launched without a desktop. Restart it; the host check "
            "looks at the rest."
        )
    return (
        f"{name} was still starting after {workstation.boot_seconds} s. It may come up yet: "
        "look again, or allow it more time in the workstation's settings."
    )
