"""One situation in every state and one event of every kind, for tests of the state machine."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from monitoring.states import HealthKind, Hook, Intent, Reason, State
from monitoring.supervisor import happenings as happened
from monitoring.supervisor.machine import step
from monitoring.supervisor.situation import (
    Record,
    Situation,
    Timer,
)
from monitoring.supervisor.spec import HealthCheck, ServiceSpec

SPEC = ServiceSpec(
    key="backend",
    name="Backend",
    command=("backend",),
    log_path=Path("backend.log"),
    stable_seconds=60.0,
    stop_timeout=10.0,
    start_seconds=1.0,
)
PROBED = replace(SPEC, health=HealthCheck(kind=HealthKind.TCP, port=8001, failures=3), start_timeout=30.0)
NOW = 1000.0
RUN = "run-1"

SITUATIONS: dict[State, Situation] = {
    State.STOPPED: Situation(),
    State.WAITING: Situation(state=State.WAITING, intent=Intent.UP, cause=Reason.OPERATOR),
    State.STARTING: Situation(
        state=State.STARTING,
        intent=Intent.UP,
        cause=Reason.OPERATOR,
        run_id=RUN,
        pid=4711,
        timers=((Timer.READY, NOW),),
    ),
    State.RUNNING: Situation(
        state=State.RUNNING,
        intent=Intent.UP,
        cause=Reason.OPERATOR,
        run_id=RUN,
        pid=4711,
        timers=((Timer.STABLE, NOW),),
    ),
    State.STOPPING: Situation(
        state=State.STOPPING,
        intent=Intent.DOWN,
        reason=Reason.OPERATOR,
        run_id=RUN,
        pid=4711,
        timers=((Timer.STOP_TIMEOUT, NOW),),
    ),
    State.BACKOFF: Situation(
        state=State.BACKOFF,
        intent=Intent.UP,
        reason=Reason.CRASH,
        cause=Reason.CRASH,
        detail="exited with code 1",
        cause_detail="exited with code 1",
        streak=1,
        timers=((Timer.BACKOFF, NOW),),
    ),
    State.EXITED: Situation(state=State.EXITED, intent=Intent.UP, reason=Reason.COMPLETED),
    State.FATAL: Situation(state=State.FATAL, intent=Intent.UP, reason=Reason.SPAWN_ERROR),
}

EVENTS: list[happened.Event] = [
    happened.Up(),
    happened.Down(),
    happened.Restart(),
    happened.AutoRecovery(on=False),
    happened.Boot(fresh=True),
    happened.Shutdown(),
    happened.Deleted(),
    happened.SpecChanged(process_differs=True),
    happened.Unstartable("a needs b needs a"),
    happened.Startable(),
    happened.Waits("waiting for database"),
    happened.Admitted("run-2"),
    happened.BackoffElapsed(),
    happened.RetryElapsed(),
    happened.Due(),
    happened.Spawned(RUN, 4711),
    happened.SpawnFailed(RUN, "spawn-failed", "no"),
    happened.ReadyElapsed(RUN),
    happened.Ready(RUN),
    happened.StartTimeout(RUN),
    happened.HookEnded(RUN, Hook.PRE_START, ok=True),
    happened.Recycle(RUN, Reason.MEMORY, "uses 900 MB of 800 MB"),
    happened.AtLimit(RUN, Reason.MEMORY, "uses 900 MB of 800 MB; waits for its turn"),
    happened.StopAsked(RUN, ok=True),
    happened.StopRequestTimeout(RUN),
    happened.StopTimeout(RUN),
    happened.StableElapsed(RUN),
    happened.Probed(RUN, ok=True),
    happened.Exited(RUN, 1),
    happened.TreeGone(RUN),
    happened.Adopted(RUN, 4711, 5.0),
    happened.AdoptGone(RUN),
]


def run(
    situation: Situation, *events: happened.Event, spec: ServiceSpec = SPEC, now: float = NOW
) -> tuple[Situation, list[Any]]:
    """Take the events one after the other; return where that leads and all effects but records."""
    effects: list[Any] = []
    for event in events:
        situation, more = step(situation, event, spec, now)
        effects += [effect for effect in more if not isinstance(effect, Record)]
    return situation, effects


def running(**changes: Any) -> Situation:
    return replace(SITUATIONS[State.RUNNING], **changes)
