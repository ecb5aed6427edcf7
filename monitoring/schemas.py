"""The shapes in which the API takes and gives services. More fields may stand beside those named here."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from medimgr.lib.api_parameters import ReasonText, Text
from monitoring.states import Health, Intent, State
from operations.batch_schemas import BatchShape
from operations.schemas import OperationShape


class ServiceShape(BaseModel, extra="allow"):
    """One service: what is declared, what it is doing, what it uses."""

    key: str
    name: str
    node: str
    group: str
    state: State
    health: Health
    intent: Intent
    reason: str
    detail: str
    pid: int | None
    since: str
    restarts: int
    cpu_percent: float | None = Field(description="Of one core; None where nothing runs.")
    memory_mb: float | None
    ports: list[int]
    warning: str
    auto_recovery: bool
    builtin: bool
    needs_restart: bool = Field(description="Its settings have changed since its process started.")
    flapping: bool = Field(description="It keeps failing without a stable run in between.")
    instance: int = Field(description="0 for a declared service, 1 for its first further copy.")
    instance_of: str | None = Field(description="The key of the service that this one is a copy of.")
    instances: int = Field(description="So many copies run side by side, this one included.")
    schedule: str = Field(description="A cron expression; empty where it runs all the time.")
    next_run_at: str | None = Field(description="When its schedule starts it next.")
    operation: OperationShape | None = Field(description="The operation that is under way.")


class NodeShape(BaseModel, extra="allow"):
    """A machine with a supervisor."""

    name: str
    supervised: bool
    supervisor_pid: int | None
    started_at: str | None
    heartbeat_at: str | None
    handed_over_at: str | None


class ServiceList(BaseModel):
    """Services with their nodes, and where the event stream goes on from."""

    count: int = Field(description="How many fit the filters, on all pages of the list together.")
    items: list[ServiceShape]
    nodes: list[NodeShape]
    last_event_id: int


class LimitsShape(BaseModel):
    """What a service may use before a new process takes its place. 0 for no limit."""

    memory_mb: int = Field(description="Of its whole process tree.")
    cpu_percent: float = Field(description="Of one core, averaged over cpu_seconds.")
    cpu_seconds: float
    age_seconds: float = Field(description="Give or take ten percent.")
    requests: int = Field(description="As the service reports them.")
    min_ready: int = Field(description="It is replaced only while so many others are ready.")


class ServiceDetail(ServiceShape):
    """One service, and where the event stream goes on from."""

    limits: LimitsShape

    last_event_id: int


class TransitionShape(BaseModel, extra="allow"):
    """One change of a service's state."""

    model_config = {"populate_by_name": True}

    id: int
    at: str
    from_state: str = Field(alias="from")
    to_state: str = Field(alias="to")
    reason: str
    detail: str
    pid: int | None
    operation: int | None


class Transitions(BaseModel):
    """The changes of one service's state, newest first."""

    count: int
    items: list[TransitionShape]


class ServiceFilter(BaseModel):
    """Which services are wanted."""

    state: State | None = None
    health: Health | None = None
    group: Text | None = None
    node: Text | None = None
    limit: int = Field(1000, ge=1, le=10_000, description="At most so many items.")
    offset: int = Field(0, ge=0, le=10**9, description="Pass over so many items first.")


class ServiceAsked(BaseModel, extra="forbid"):
    """What may be said about an action."""

    reason: ReasonText = ""


class StopAsked(ServiceAsked):
    """What may be said about a stop."""

    force: bool = Field(False, description="Kill at once instead of asking first.")


class RestartAsked(ServiceAsked):
    """What may be said about a restart."""

    rolling: bool = Field(False, description="Wait until enough of its group is ready without it.")


class ScaleAsked(BaseModel, extra="forbid"):
    """How many copies are wanted."""

    instances: int = Field(ge=1, le=100, strict=True, description="The declared service is one of them.")


class Scaled(BaseModel):
    """What scaling came to. Copies that stay keep their processes."""

    service: str
    instances: int
    services: list[str] = Field(description="Keys of all copies, the declared service first.")
    added: list[str]
    removed: list[str]


class AutoRecoveryAsked(ServiceAsked):
    """Whether the supervisor may restart the service by itself."""

    enabled: bool = Field(strict=True)


class ServiceBatchAsked(StopAsked):
    """One action on many services."""

    action: Literal["start", "stop", "restart", "auto-recovery-on", "auto-recovery-off"]
    services: Annotated[list[Text], Field(min_length=1, max_length=1000)] = Field(
        description="Keys; each service is taken once, in this order."
    )
    rolling: bool = Field(
        False, description="For a restart: one after the other, or as many at a time as min_ready allows."
    )


class RefusalShape(BaseModel):
    """A service on which the action was not accepted."""

    service: str
    code: str
    detail: str


class ServiceBatchAnswer(BaseModel):
    """What became of a batch: an operation or a refusal for each service."""

    batch: str
    operations: list[OperationShape]
    refused: list[RefusalShape]
    state: BatchShape = Field(description="How far it is; GET /api/operations/batches/{id} tells it later.")


class ServiceStatusShape(BaseModel):
    """One service in a few words."""

    name: str
    status: State
    health: Health
    cpu: float | None
    mem: float | None = Field(description="MB")
    pid: int | None
    uptime: str | None = Field(description="HH:MM:SS; None where nothing runs.")


class NodeStatus(BaseModel):
    """One node and its services in a few words."""

    node: str
    supervised: bool
    uptime: str = Field(description="Of the supervisor, HH:MM:SS; 00:00:00 where none runs.")
    services: dict[str, ServiceStatusShape]


def operation_answer(operation: Any) -> dict[str, Any]:
    """Return the body of a 202."""
    return {"operation": operation.public()}
