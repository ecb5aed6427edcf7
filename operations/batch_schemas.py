"""The shapes in which the API gives batches."""

from pydantic import BaseModel, Field

from medimgr.lib.api_parameters import Page, Text
from operations.schemas import OperationShape


class RefusedTarget(BaseModel):
    """A target of a batch on which the action was not accepted, and why."""

    target: str
    code: str
    detail: str


class BatchShape(BaseModel):
    """One request over many targets, and how far its operations have come together."""

    id: str
    kind: str
    requested_by: str
    source: str
    reason: str
    created_at: str
    finished_at: str | None = Field(description="When the last of it ended; None while something is to come.")
    total: int = Field(description="How many targets it was asked for.")
    done: int = Field(description="How many have come to an end, one way or the other.")
    succeeded: int
    failed: int = Field(description="Failed and timed out.")
    cancelled: int
    refused: list[RefusedTarget] = Field(description="Not accepted to begin with; they count as done.")
    progress: str = Field(description="In words: 13/14, 1 failed.")
    url: str


class BatchList(BaseModel):
    """Batches, newest first."""

    count: int = Field(description="How many fit the filters, on all pages of the list together.")
    items: list[BatchShape]


class BatchFilter(Page):
    """Which batches are wanted; all that is given has to fit."""

    active: bool | None = Field(None, description="true: something of it is still to come; false: ended.")
    kind: Text = Field("", description="As in service.restart.")
    requested_by: Text = ""


class BatchAnswer(BaseModel):
    """A batch, to be followed."""

    batch: BatchShape


class BatchCancelled(BatchAnswer):
    """What has become of a request to cancel a batch."""

    ended: int = Field(description="So many waited, and are cancelled now.")
    asked: int = Field(description="So many run, and end at their handlers' next look.")


class BatchAsked(BatchAnswer):
    """A new batch with its operations, to be followed."""

    operations: list[OperationShape]
