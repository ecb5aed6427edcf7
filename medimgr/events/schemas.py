"""The shapes in which the API gives facts about streams."""

from typing import Any

from pydantic import BaseModel, Field


class ConnectionShape(BaseModel, extra="allow"):
    """One open stream. Its token is not in here: whoever has that may end the stream."""

    id: int
    user: str
    address: str
    page: str
    topics: list[Any]
    connected_at: str
    duration_seconds: float
    last_ping_at: str
    events_sent: int
    bytes_sent: int
    queued: int = Field(description="Bytes kept for it at its last heartbeat, since it does not read.")
    worker: str = Field(description="node:pid of the web process that serves it")


class StreamStats(BaseModel):
    """Who is watching."""

    total: int = Field(description="Streams that are open now.")
    peak: int = Field(description="Most at a time, over as long as the event log is kept.")
    events_sent_last_hour: int = Field(description="Events handed to streams, over all web workers.")
    bytes_sent_last_hour: int = Field(description="As they went out, compressed where a stream is.")
    bytes_saved_last_hour: int = Field(description="Bytes less by compression.")
    saved_percent: float = Field(description="Of what would have gone out without compression.")
    events_published_last_hour: int = Field(description="Events written to the log.")
    by_user: dict[str, int]
    by_worker: dict[str, int]
    disconnects: int = Field(description="Streams that ended, over as long as the event log is kept.")
    disconnects_by_reason: dict[str, int] = Field(
        description="beacon: its page said so; closed: by the client; lagging: it did not read; kicked ..."
    )
    limit: int
    limit_per_address: int
    connections: list[ConnectionShape]


class Kick(BaseModel, extra="forbid"):
    """Whose streams to end."""

    user: str = Field(min_length=1, description="The name of an account.")


class Kicked(BaseModel):
    """What has come of it."""

    ended: int = Field(description="Streams that were open and have been ended.")


class TestEvent(BaseModel):
    """What every stream that follows connections is about to get."""

    event_id: int


class WorkerShape(BaseModel):
    """One web process that serves streams."""

    worker: str
    started_at: str
    seen_at: str
    alive: bool
    connections: int


class StreamHealth(BaseModel):
    """Whether streams can be served, and by whom."""

    status: str = Field(
        description="ok; idle: nobody watches yet; full: no place for another stream; silent: no live worker"
    )
    reason: str
    workers: list[WorkerShape]
    connections: int
    limit: int
    heartbeat_seconds: float
    last_event_id: int
    last_event_at: str | None
