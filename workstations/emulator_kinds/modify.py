"""Changes an emulator's processors, memory and screen. LDPlayer takes that of a stopped one alone."""

from operations.job import Job
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.parameters import Hardware, ModifyParameters
from workstations.emulator_kinds.visit import FIRST_PAUSE, Visit, at_emulator, own
from workstations.exceptions import NotVerified
from workstations.ldplayer.configs import Config

READINGS = 5


def carry_out(job: Job) -> None:
    """Change it, or say that it is so. Raises RemoteFailure; Unsafe while it runs."""
    wanted = job.parameters()
    if not isinstance(wanted, ModifyParameters):
        raise TypeError("Hardware is wanted.")
    with at_emulator(job) as (visit, emulator):
        instance = own(visit.read(with_configs=True), emulator)
        if not differences(wanted, visit.configs.get(instance.index)):
            visit.say(1, 1, f"{safety.named(instance)} has that already")
            return
        safety.at_rest(instance, "changed")
        visit.say(0, 1, f"Changing {safety.named(instance)}")
        modify(visit, instance.index, wanted)
        visit.say(1, 1, f"{safety.named(instance)} is changed")


def modify(visit: Visit, index: int, wanted: Hardware) -> None:
    """Change what is at ``index``, and read its config back. Raises RemoteExit, NotVerified."""
    visit.ldconsole.modify(
        index, processors=wanted.cpu, memory_mb=wanted.memory_mb, resolution=wanted.resolution
    )
    left: list[str] = []
    for reading in range(READINGS):
        visit.job.wait(FIRST_PAUSE * 2**reading if reading else 0.0)
        visit.read(with_configs=True)
        left = differences(wanted, visit.configs.get(index))
        if not left:
            return
    raise NotVerified(f"ldconsole took the change, but its config says otherwise: {'; '.join(left)}.")


def differences(wanted: Hardware, config: Config | None) -> list[str]:
    """Return in words what ``config`` has otherwise than ``wanted``. Pure."""
    asked = {
        "processors": (wanted.cpu, config.cpu if config else None),
        "memory in MB": (wanted.memory_mb, config.memory_mb if config else None),
        "width": (wanted.width, config.width if config else None),
        "height": (wanted.height, config.height if config else None),
        "dpi": (wanted.dpi, config.dpi if config else None),
    }
    return [
        f"{name} {'not set' if has is None else has} instead of {value}"
        for name, (value, has) in asked.items()
        if value is not None and value != has
    ]
