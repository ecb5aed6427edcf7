"""What the supervisor knows about one service, and the effects it may have, as plain immutable data."""

from dataclasses import dataclass, field
from enum import StrEnum

from monitoring.states import LIVE, Health, Intent, Reason, State
from monitoring.supervisor.spec import HealthCheck


class Timer(StrEnum):
    """The clocks that a service can have running. Their times are monotonic seconds."""

    READY = "ready"
    """Without a health check: up until then counts as RUNNING."""
    START_TIMEOUT = "start-timeout"
    STOP_TIMEOUT = "stop-timeout"
    BACKOFF = "backoff"
    STABLE = "stable"
    """RUNNING until then, and earlier failures are forgotten."""


class After(StrEnum):
    """Where a service goes once the tree of the process that is being stopped is gone."""

    STOPPED = "stopped"
    START = "start"
    RETRY = "retry"
    EXITED = "exited"
    FATAL = "fatal"


@dataclass(frozen=True, slots=True)
class Situation:
    """One service at one moment. The first group is what operators see, the second how it works."""

    state: State = State.STOPPED
    intent: Intent = Intent.DOWN
    health: Health = Health.UNKNOWN
    reason: Reason = Reason.NONE
    detail: str = ""
    pid: int | None = None
    restarts: int = 0
    """Restarts by the supervisor since an operator last started the service."""
    auto_recovery: bool = True
    needs_restart: bool = False
    """The process was started with other settings than are declared now."""
    flapping: bool = False
    """It keeps failing without a stable run in between."""

    run_id: str = ""
    """The run whose process, or rest of a process tree, may still exist. Empty: nothing of it lives."""
    leader_gone: bool = False
    """The run's first process has ended; what is left of its tree is being swept."""
    cause: Reason = Reason.NONE
    """Why the current or next run is started."""
    cause_detail: str = ""
    after: After = After.STOPPED
    delay: float = 0.0
    """For ``After.RETRY``: seconds to wait before the next try."""
    killed: bool = False
    stable: bool = False
    streak: int = 0
    """Failures in a row without a stable run between them: the exponent of the backoff."""
    failures: tuple[float, ...] = ()
    """When it failed, within the failure window."""
    held: bool = False
    """It would have been restarted, had auto-recovery been on."""
    good_probes: int = 0
    bad_probes: int = 0
    probing: HealthCheck | None = None
    timers: tuple[tuple[Timer, float], ...] = field(default=())

    def due(self, timer: Timer) -> float | None:
        """Return when ``timer`` goes off, None where it does not run."""
        for name, at in self.timers:
            if name is timer:
                return at
        return None

    @property
    def alive(self) -> bool:
        """Return whether a process exists, or may."""
        return self.state in LIVE

    def visible(self) -> tuple[object, ...]:
        """Return what a ServiceStatus row shows of it."""
        return (
            self.state,
            self.intent,
            self.health,
            self.reason,
            self.detail,
            self.pid,
            self.restarts,
            self.auto_recovery,
            self.needs_restart,
            self.flapping,
        )


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the process of a new run."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to the process group of a run."""

    run_id: str
    signal: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the whole process tree of a run."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """The leader is gone: kill what is left of the tree, and say TreeGone once nothing is."""

    run_id: str


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Let ``timer`` go off at ``at`` (monotonic seconds); it replaces a running one of that name."""

    timer: Timer
    at: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Stop ``timer``."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class StartProbing:
    """Begin to probe the health of a run."""

    run_id: str
    check: HealthCheck


@dataclass(frozen=True, slots=True)
class StopProbing:
    """Stop probing."""


@dataclass(frozen=True, slots=True)
class Record:
    """What operators see has changed: store it, and the transition where the state did."""

    before: State
    after: State


Effect = Spawn | Signal | Kill | Sweep | ArmTimer | CancelTimer | StartProbing | StopProbing | Record
