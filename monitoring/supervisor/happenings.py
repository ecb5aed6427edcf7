"""Everything that can happen to a service: the events of the state machine.

What is about a process carries the ``run_id`` of its run, so that a late one about an earlier run can
be told from one about the current run and ignored.
"""

from dataclasses import dataclass

from monitoring.states import Hook, Reason
from monitoring.supervisor.situation import Timer


@dataclass(frozen=True, slots=True)
class Up:
    """Somebody wants it up."""

    reason: Reason = Reason.OPERATOR


@dataclass(frozen=True, slots=True)
class Down:
    """Somebody wants it down; with ``force``, killed without being asked first."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """Somebody wants a new process."""

    reason: Reason = Reason.OPERATOR


@dataclass(frozen=True, slots=True)
class AutoRecovery:
    """Somebody turned auto-recovery on or off."""

    on: bool


@dataclass(frozen=True, slots=True)
class Boot:
    """The supervisor has started and knows which processes live.

    ``fresh``: the machine was booted, or the last supervisor had stopped everything; then also what
    had ended by itself is started again.
    """

    fresh: bool


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The supervisor stops. The intent stays, so that the next one starts the service again."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """The declaration is gone."""


@dataclass(frozen=True, slots=True)
class SpecChanged:
    """The declaration changed; ``process_differs`` where a new process would differ from this one."""

    process_differs: bool


@dataclass(frozen=True, slots=True)
class Unstartable:
    """Its dependencies cannot be met, whatever happens: a cycle, or a service of another node."""

    detail: str


@dataclass(frozen=True, slots=True)
class Startable:
    """Its dependencies can be met again."""


@dataclass(frozen=True, slots=True)
class Waits:
    """It waits for the services that ``detail`` names; an empty one: for a place to start only."""

    detail: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Dependencies are met and there is a place to start. ``run_id`` names the new run."""

    run_id: str


@dataclass(frozen=True, slots=True)
class BackoffElapsed:
    """The time between two tries is over."""


@dataclass(frozen=True, slots=True)
class RetryElapsed:
    """It was given up long enough ago to be tried once more."""


@dataclass(frozen=True, slots=True)
class Due:
    """The time has come that its schedule names."""


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """Something about the process of one run."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Spawned(ProcessEvent):
    """The process exists."""

    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed(ProcessEvent):
    """There is no process. ``code`` as in SpawnError, or ``port-busy``."""

    code: str
    detail: str
    hopeless: bool = False
    """Trying again can't mend it: somebody has to change the declaration or the machine."""


@dataclass(frozen=True, slots=True)
class ReadyElapsed(ProcessEvent):
    """It has been up for its start seconds."""


@dataclass(frozen=True, slots=True)
class Ready(ProcessEvent):
    """The log line or the message has come that tells that it is ready."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class StartTimeout(ProcessEvent):
    """It has not become ready in time."""


@dataclass(frozen=True, slots=True)
class HookEnded(ProcessEvent):
    """The command of a hook has ended; ``detail`` says how."""

    hook: Hook
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Recycle(ProcessEvent):
    """A new process has to take this one's place, although it has not failed: it is at a limit."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AtLimit(ProcessEvent):
    """It is at a limit and is not replaced now, as ``detail`` tells; an empty one: at no limit any more."""

    reason: Reason = Reason.NONE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StopAsked(ProcessEvent):
    """The request to end has been answered; ``ok`` where the service, or its stop command, agrees."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StopRequestTimeout(ProcessEvent):
    """It was asked to end, and is still there."""


@dataclass(frozen=True, slots=True)
class StopTimeout(ProcessEvent):
    """It has not ended in time."""


@dataclass(frozen=True, slots=True)
class StableElapsed(ProcessEvent):
    """It has been RUNNING long enough for its earlier failures to be forgotten."""


@dataclass(frozen=True, slots=True)
class Probed(ProcessEvent):
    """A health probe has its answer. ``hung``: it accepts connections and says nothing."""

    ok: bool
    hung: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exited(ProcessEvent):
    """The run's first process has ended: with a code, by a signal, or (both empty) unknown how."""

    code: int | None = None
    signal: str = ""
    unseen: bool = False
    """It ended while no supervisor ran."""


@dataclass(frozen=True, slots=True)
class TreeGone(ProcessEvent):
    """No process of the run is left."""


@dataclass(frozen=True, slots=True)
class Adopted(ProcessEvent):
    """A process of the supervisor's predecessor lives; ``age`` is its age in seconds."""

    pid: int
    age: float
    needs_restart: bool = False


@dataclass(frozen=True, slots=True)
class AdoptGone(ProcessEvent):
    """The process that the predecessor left is gone; ``rebooted``: because the machine was."""

    rebooted: bool = False
    spawned: bool = True
    """It is known to have had a process at all."""


Event = (
    Up
    | Down
    | Restart
    | AutoRecovery
    | Boot
    | Shutdown
    | Deleted
    | SpecChanged
    | Unstartable
    | Startable
    | Waits
    | Admitted
    | BackoffElapsed
    | RetryElapsed
    | Due
    | Spawned
    | SpawnFailed
    | ReadyElapsed
    | Ready
    | StartTimeout
    | HookEnded
    | Recycle
    | AtLimit
    | StopAsked
    | StopRequestTimeout
    | StopTimeout
    | StableElapsed
    | Probed
    | Exited
    | TreeGone
    | Adopted
    | AdoptGone
)

TIMERS: dict[type, Timer] = {
    BackoffElapsed: Timer.BACKOFF,
    ReadyElapsed: Timer.READY,
    StartTimeout: Timer.START_TIMEOUT,
    StopRequestTimeout: Timer.STOP_REQUEST,
    StopTimeout: Timer.STOP_TIMEOUT,
    StableElapsed: Timer.STABLE,
    RetryElapsed: Timer.RETRY,
}
"""Which timer's going off each of these events is."""
