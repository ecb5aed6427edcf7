"""The operations on services. The supervisor of the service's node carries them out."""

from pydantic import BaseModel

from monitoring.models import Service
from operations import registry
from operations.registry import Kind


class StopParameters(BaseModel, extra="forbid"):
    """How to stop: ``force`` kills at once instead of asking first."""

    force: bool = False


START = "service.start"
STOP = "service.stop"
RESTART = "service.restart"
AUTO_RECOVERY_ON = "service.auto-recovery-on"
AUTO_RECOVERY_OFF = "service.auto-recovery-off"


def register_kinds() -> None:
    """Declare the kinds. Called once, when the app is ready."""
    registry.register(Kind(START, "Start", Service, "start", supersedes=frozenset({START, STOP})))
    registry.register(
        Kind(
            STOP,
            "Stop",
            Service,
            "stop",
            parameters=StopParameters,
            # An operator who wants it down gets it down, whatever else is under way.
            supersedes=frozenset({START, RESTART, STOP}),
        )
    )
    registry.register(
        # MediVote's rule: a restart may take the place of a start or stop that still waits.
        Kind(RESTART, "Restart", Service, "restart", supersedes=frozenset({START, STOP}))
    )
    for name, label in (
        (AUTO_RECOVERY_ON, "Turn auto-recovery on"),
        (AUTO_RECOVERY_OFF, "Turn auto-recovery off"),
    ):
        registry.register(Kind(name, label, Service, "recover", deadline_seconds=60.0))
