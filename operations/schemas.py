"""The shapes in which the API takes and gives operations."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from medimgr.lib.api_parameters import ReasonText, RowId, Text
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
    target_name: str
    """What people called it when it was asked for; empty: by its key."""
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


class AskedFor(BaseModel, extra="forbid"):
    """Any operation."""

    kind: Text
    target: Text = Field(description="As in service:backend.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="What this kind takes.")
    reason: ReasonText = ""
    priority: int = Field(0, description="-100 to 100; higher goes first.")
    run_after: datetime | None = Field(None, description="Not before this moment, with its time zone.")


class OperationList(BaseModel):
    """Operations, newest first."""

    count: int = Field(
        description="How many fit the filters, on all pages of the list together; no more than 10,000 are "
        "counted, see complete."
    )
    complete: bool = Field(
        True, description="false: at least count fit. Past that, nobody has counted or looked through them."
    )
    items: list[OperationShape]
    next_before: int | None = Field(
        None,
        description="Ask again with before=... for older ones; null: there are none. Where filters are "
        "combined a page may have fewer items than the limit, even none, though there are older ones.",
    )


class OperationFilter(BaseModel):
    """Which operations are wanted; all that is given has to fit."""

    status: str = Field(
        "",
        description="PENDING, RUNNING, SUCCESS, FAILED, CANCELLED, TIMEOUT; or active (PENDING, RUNNING), "
        "failures (FAILED, TIMEOUT), ended.",
    )
    active: bool | None = Field(None, description="true: as status=active; false: as status=ended.")
    kind: str = Field("", description="As in service.restart.")
    target: str = Field("", description="As in service:backend, or service for all of that type.")
    requested_by: str = ""
    batch: str = ""
    since: str = Field("", description="Asked for since then: an age (15m, 24h, 7d), a date, or a time.")


class Before(BaseModel):
    """Where a page of the list begins."""

    before: RowId | None = Field(None, description="Only what is older than this id; as next_before says.")


class WaitingFilter(OperationFilter, extra="forbid"):
    """As in the list; a misspelt filter is refused, which would otherwise fit everything."""


class ManyToCancel(BaseModel, extra="forbid"):
    """What is to be cancelled: the operations called by their ids, or what waits and fits filters."""

    ids: list[RowId] | None = Field(None, min_length=1, max_length=1000)
    filter: WaitingFilter | None = Field(
        None,
        description="What waits (PENDING) and fits is cancelled, what runs left alone. {}: all that waits.",
    )


class RefusedCancel(BaseModel):
    """An operation that could not be cancelled, and why."""

    operation: int
    code: str
    detail: str


class CancelledMany(BaseModel):
    """What has become of many."""

    ended: int = Field(description="They waited, and are CANCELLED now.")
    asked: int = Field(description="They run, and were asked to end.")
    refused: list[RefusedCancel]
    more: bool = Field(description="true: more fit the filters and still wait; ask again.")


class Durations(BaseModel):
    """Seconds from the start to the end of those that ran; None where none did."""

    average: float | None
    median: float | None
    p95: float | None = Field(description="Nineteen in twenty took no longer.")
    longest: float | None


class KindStats(BaseModel):
    """How the operations of one kind went, among those that ended last."""

    kind: str
    label: str
    finished: int
    success: int
    failed: int
    timeout: int
    cancelled: int
    failure_rate: float | None = Field(description="FAILED and TIMEOUT among those that ended, 0 to 1.")
    duration_seconds: Durations


class OperationStats(BaseModel):
    """Counts over the operations that are kept."""

    total: int
    active: int
    by_status: dict[Status, int]
    by_kind: dict[str, int]
    sampled: int = Field(description="How many rates and durations are about: those that ended last.")
    sample_limit: int
    success_rate: float | None = Field(description="SUCCESS among those that ended, 0 to 1.")
    failure_rate: float | None = Field(description="FAILED and TIMEOUT among those that ended, 0 to 1.")
    duration_seconds: Durations
    kinds: list[KindStats]
    oldest: str | None
