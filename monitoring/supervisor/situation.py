"""What the supervisor knows about one service, and the effects it may have, as plain immutable data."""

from dataclasses import dataclass, field
from enum import StrEnum

from monitoring.states import LIVE, Health, Hook, Intent, Reason, State
from monitoring.supervisor.spec import HealthCheck, Readiness


class Timer(StrEnum):
    """The clocks that a service can have running. Their times are monotonic seconds."""

    READY = "ready"
    """Where nothing tells that it is ready: up until then counts as RUNNING."""
    START_TIMEOUT = "start-timeout"
    STOP_REQUEST = "stop-request"
    """It was asked to end, by URL or command; still there by then, it gets the signal."""
    STOP_TIMEOUT = "stop-timeout"
    BACKOFF = "backoff"
    STABLE = "stable"
    """RUNNING until then, and earlier failures are forgotten."""
    RETRY = "retry"
    """FATAL until then; it is tried once more."""


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
    tree_gone: bool = False
    """Nothing of the run's tree is left; only a command that goes with its end still runs."""
    hook: Hook | None = None
    """The hook of the run that is running now."""
    asking: bool = False
    """The request to end, by URL or command, has not been answered yet."""
    awaiting: Readiness | None = None
    """What is watched for: the log line or the message that tells that it is ready."""
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
class RunHook:
    """Start the command of a hook; its end comes as HookEnded, at the latest after its timeout."""

    run_id: str
    hook: Hook


@dataclass(frozen=True, slots=True)
class CancelHook:
    """Kill the command of a hook; nothing is heard of it any more."""

    run_id: str
    hook: Hook


@dataclass(frozen=True, slots=True)
class AskToStop:
    """Ask a run to end, by URL or command; the answer comes as StopAsked."""

    run_id: str


@dataclass(frozen=True, slots=True)
class StopAsking:
    """Give up the request; nothing is heard of it any more."""


@dataclass(frozen=True, slots=True)
class WatchReady:
    """Watch for the log line or the message that tells that a run is ready; it comes as Ready."""

    run_id: str
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class UnwatchReady:
    """Stop watching for it."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Put something into the service's history that changes no state."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """What operators see has changed: store it, and the transition where the state did."""

    before: State
    after: State


Effect = (
    Spawn
    | Signal
    | Kill
    | Sweep
    | ArmTimer
    | CancelTimer
    | StartProbing
    | StopProbing
    | RunHook
    | CancelHook
    | AskToStop
    | StopAsking
    | WatchReady
    | UnwatchReady
    | Tell
    | Record
)
