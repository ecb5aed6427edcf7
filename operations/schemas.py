"""The shapes in which the API takes and gives operations."""

from pydantic import BaseModel, Field

from medimgr.lib.api_parameters import Text
from operations.states import Status


class ProgressShape(BaseModel):
    """How far an operation is; total 0: not known."""

    done: int
    total: int
    message: str


class ErrorShape(BaseModel):
    """Why an operation did not succeed."""

    code: str
    detail: str


class OperationShape(BaseModel, extra="allow"):
    """One requested action on one target."""

    id: int
    kind: str
    target: str
    status: Status
    progress: ProgressShape
    error: ErrorShape | None
    requested_by: str
    reason: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    url: str


class OperationAnswer(BaseModel):
    """The answer to an accepted action: the operation, to be followed."""

    operation: OperationShape


class OperationList(BaseModel):
    """Operations, newest first."""

    count: int = Field(description="How many fit the filters, on all pages of the list together.")
    items: list[OperationShape]


class OperationFilter(BaseModel):
    """Which operations are wanted."""

    status: Status | None = None
    active: bool | None = Field(None, description="true: under way; false: ended.")
    kind: Text | None = None
    target: Text | None = Field(None, description="As in service:backend.")
    requested_by: Text | None = None
    batch: Text | None = None


class Durations(BaseModel):
    """Seconds from the start to the end of those that ran; None where none did."""

    average: float | None
    longest: float | None


class OperationStats(BaseModel):
    """Counts over the operations that are kept."""

    total: int
    active: int
    by_status: dict[Status, int]
    by_kind: dict[str, int]
    success_rate: float | None = Field(description="Successes among those that ended, 0 to 1.")
    duration_seconds: Durations
    oldest: str | None
