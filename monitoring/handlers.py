"""The operations on services. The supervisor of the service's node carries them out."""

from pydantic import BaseModel

from monitoring.models import Service
from operations import registry
from operations.registry import Kind, node_queue


class StopParameters(BaseModel, extra="forbid"):
    """How to stop: ``force`` kills at once instead of asking first."""

    force: bool = False


class RestartParameters(BaseModel, extra="forbid"):
    """How to restart: ``rolling`` waits for its turn, so that enough of its group stays up."""

    rolling: bool = False


START = "service.start"
STOP = "service.stop"
RESTART = "service.restart"
AUTO_RECOVERY_ON = "service.auto-recovery-on"
AUTO_RECOVERY_OFF = "service.auto-recovery-off"


def _queue(service: Service) -> str:
    return node_queue(service.node.name)


def register_kinds() -> None:
    """Declare the kinds. Called once, when the app is ready.

    Who gives way to whom, on one service:

    * stop replaces whatever else is wanted, waiting or running: an operator who wants it down gets it
      down. A second stop, of a service that is stopping already, kills it: the supervisor, which knows
      that it is stopping, decides that;
    * start replaces a stop, waiting or running: the machine turns a stop under way into a start as
      soon as the old processes are gone;
    * restart replaces a start or stop that still waits (MediVote's rule), and a start under way, which
      may be waiting for what the service depends on; never a stop under way.
    """
    registry.register(
        Kind(
            START,
            "Start",
            Service,
            "start",
            supersedes=frozenset({STOP}),
            preempts=frozenset({STOP}),
            queue=_queue,
        )
    )
    registry.register(
        Kind(
            STOP,
            "Stop",
            Service,
            "stop",
            parameters=StopParameters,
            supersedes=frozenset({START, RESTART, STOP}),
            preempts=frozenset({START, RESTART, STOP}),
            queue=_queue,
        )
    )
    registry.register(
        Kind(
            RESTART,
            "Restart",
            Service,
            "restart",
            parameters=RestartParameters,
            supersedes=frozenset({START, STOP}),
            preempts=frozenset({START}),
            queue=_queue,
        )
    )
    for name, label, opposite in (
        (AUTO_RECOVERY_ON, "Turn auto-recovery on", AUTO_RECOVERY_OFF),
        (AUTO_RECOVERY_OFF, "Turn auto-recovery off", AUTO_RECOVERY_ON),
    ):
        registry.register(
            Kind(
                name,
                label,
                Service,
                "recover",
                deadline_seconds=60.0,
                supersedes=frozenset({opposite}),
                queue=_queue,
            )
        )
