"""What the supervisor wants remembered, as plain immutable rows that wait for the database."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from medimgr.lib.units import iso
from monitoring.exceptions import HandedOver
from monitoring.states import ExitSource, Health, Intent, Reason, State
from monitoring.supervisor.spec import ServiceSpec

DETAIL_LENGTH = 500
"""The longest detail that the tables hold."""


def fitting(detail: str) -> str:
    """Return ``detail`` as the tables can hold it: short enough, and without NUL (PostgreSQL refuses it)."""
    return detail.replace("\0", "")[:DETAIL_LENGTH]


@dataclass(frozen=True, slots=True)
class StatusRow:
    """All of a ServiceStatus. ``service`` is the primary key of the Service."""

    service: int
    key: str
    intent: Intent
    state: State
    health: Health
    reason: Reason
    detail: str
    since: datetime
    pid: int | None
    process_started_at: datetime | None
    restarts: int
    auto_recovery: bool
    needs_restart: bool
    flapping: bool = False
    next_run_at: datetime | None = None

    def public(self) -> dict[str, Any]:
        """Return what ``ServiceStatus.public()`` returns for the same values (a test compares them)."""
        return {
            "state": self.state.value,
            "health": self.health.value,
            "intent": self.intent.value,
            "reason": self.reason.value,
            "detail": self.detail,
            "pid": self.pid,
            "since": iso(self.since),
            "process_started_at": iso(self.process_started_at),
            "restarts": self.restarts,
            "auto_recovery": self.auto_recovery,
            "needs_restart": self.needs_restart,
            "flapping": self.flapping,
            "next_run_at": iso(self.next_run_at),
        }


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One change of state."""

    service: int
    at: datetime
    before: State
    after: State
    reason: Reason
    detail: str
    pid: int | None
    run_id: str
    operation: int | None

    def with_note(self, note: str) -> "TransitionRow":
        """Return it with ``note`` behind the detail."""
        return replace(self, detail=fitting(f"{self.detail} {note}".strip()))


@dataclass(frozen=True, slots=True)
class RunRow:
    """One life of a process, as far as it is known by now. ``service`` is None for a deleted one."""

    run_id: str
    service: int | None
    key: str
    pid: int
    start_ticks: int
    boot_id: str
    command: tuple[str, ...]
    reason: Reason
    started_at: datetime
    log_offset: int
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    exit_signal: str = ""
    exit_source: ExitSource | None = None
    end_reason: Reason = Reason.NONE


_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Step:
    """What was done at a moment, for the log of an operation."""

    text: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    number: int = field(default_factory=lambda: next(_numbers))
    """Grows with each: a note that is written again says nothing twice."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation has come."""

    operation: int
    message: str
    in_line: bool = False
    """It waits for its turn behind others that make progress: its deadline waits along."""
    steps: tuple[Step, ...] = field(default=(), compare=False)
    """What led here, with those of earlier progress that was never written."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How an operation ended: ``status`` is SUCCESS, FAILED or CANCELLED."""

    operation: int
    status: str
    code: str = ""
    detail: str = ""
    steps: tuple[Step, ...] = field(default=(), compare=False)


Note = Progress | Finish

HANDED_OVER = HandedOver.code
"""The code of operations that a planned hand-over to another supervisor has ended."""
HANDED_OVER_DETAIL = (
    "The supervisor ended and left its services to the next one, which carries on what was begun."
)


@dataclass(frozen=True, slots=True)
class Order:
    """An operation that the supervisor has claimed."""

    operation: int
    kind: str
    key: str
    force: bool = False
    batch: str = ""
    """Shared by operations that were asked for together."""
    rolling: bool = False
    """A restart that waits for its turn."""
    requested_as: str = field(default="", compare=False)
    """The request that asked for it, for the log."""
    asked_by: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared service with what the database last heard of it."""

    service: int
    spec: ServiceSpec
    status: StatusRow


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What is known about the runs that a dead supervisor has left."""

    at: datetime
    """When that was found out. Nothing had been started by then."""
    runs: tuple[RunRow, ...]
    """The last one of each service, whether it lives or its end is all that was found."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the supervisor finds when it takes a node over."""

    declared: tuple[Declared, ...]
    rebooted: bool
    """The machine was booted since the last supervisor reported."""
    fresh: bool
    """Rebooted, or the last supervisor had stopped everything, or there never was one."""
    start_concurrency: int = 0
    """As :attr:`monitoring.models.Node.start_concurrency`."""
