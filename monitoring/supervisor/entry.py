"""One service in the supervisor's hands: its declaration, its situation, and the process behind it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.states import State
from monitoring.supervisor.identity import Identity
from monitoring.supervisor.process import Process
from monitoring.supervisor.records import Declared, RunRow, StatusRow, fitting
from monitoring.supervisor.situation import Situation, Timer
from monitoring.supervisor.spec import ServiceSpec


@dataclass(slots=True, eq=False)
class Entry:
    """Mutable, and touched by the loop's thread alone."""

    service: int | None
    """Primary key; None for a process whose declaration was deleted while no supervisor ran."""
    spec: ServiceSpec
    since: datetime
    situation: Situation = field(default_factory=Situation)
    process: Process | None = None
    ended: Process | None = None
    """The current run's main process once it has ended: a zombie, which keeps its pid taken until the rest
    of its tree is gone."""
    started_here: bool = False
    """The current run was started by this supervisor, not taken over."""
    identity: Identity | None = None
    """Of the current run, from the spawn until its tree is gone."""
    run: RunRow | None = None
    started_digest: str = ""
    """Of the settings that the current process was started with."""
    process_started_at: datetime | None = None
    next_run_at: datetime | None = None
    """When its schedule starts it next; None without one."""
    timers: dict[Timer, asyncio.TimerHandle] = field(default_factory=dict)
    deleted: bool = False
    successor: Declared | None = None
    """Another service that was declared under the same key while this one is still stopping."""

    @property
    def key(self) -> str:
        """Return the service's key."""
        return self.spec.key

    @property
    def state(self) -> State:
        """Return the state."""
        return self.situation.state

    @property
    def gone(self) -> bool:
        """Return whether nothing of it lives."""
        return not self.situation.run_id and not self.situation.alive

    def let_go(self) -> None:
        """Let go of the ended main process: nothing of its tree is left."""
        if self.ended is not None:
            self.ended.reap()
            self.ended.close()
            self.ended = None

    def status(self) -> StatusRow:
        """Return what the database is to show. Only for an entry with a declaration."""
        s = self.situation
        assert self.service is not None  # noqa: S101
        return StatusRow(
            service=self.service,
            key=self.key,
            intent=s.intent,
            state=s.state,
            health=s.health,
            reason=s.reason,
            detail=fitting(s.detail),
            since=self.since,
            pid=s.pid,
            process_started_at=self.process_started_at if s.pid is not None else None,
            restarts=s.restarts,
            auto_recovery=s.auto_recovery,
            needs_restart=s.needs_restart,
            flapping=s.flapping,
            next_run_at=self.next_run_at,
        )
