"""The shapes in which the API gives facts about streams."""

from typing import Any

from pydantic import BaseModel, Field


class ConnectionShape(BaseModel, extra="allow"):
    """One open stream. Its token is not in here: whoever has that may end the stream."""

    id: int
    user: str
    address: str
    machine_token: str = Field(description="The name of the machine's token it came with; empty for none.")
    page: str
    kind: str = Field(description="Which page that is, by its name; empty for a client that named none.")
    topics: list[Any]
    connected_at: str
    duration_seconds: float
    last_ping_at: str
    events_sent: int
    bytes_sent: int
    queued: int = Field(description="Bytes kept for it at its last heartbeat, since it does not read.")
    pages: int = Field(description="Pages that it feeds: tabs of one browser beyond the first few share.")
    worker: str = Field(description="node:pid of the web process that serves it")


class Pool(BaseModel):
    """Places for streams."""

    used: int
    free: int
    limit: int = Field(description="MEDIMGR_STREAM_MAX_CONNECTIONS")
    limit_per_address: int = Field(description="MEDIMGR_STREAM_MAX_PER_ADDRESS")
    by_address: dict[str, int] = Field(description="Places used, by client address, most first.")


class HealthInShort(BaseModel):
    """As in ``/events/health``."""

    status: str
    reason: str


class Delays(BaseModel):
    """Milliseconds from an event's publication to its hand-over to the last stream of a web worker."""

    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    count: int = Field(description="Events that were handed over, once for each web worker with streams.")


class Latency(BaseModel):
    """Recent: within the last five minutes."""

    recent: Delays
    ever: Delays


class StreamErrors(BaseModel):
    """Streams that failed."""

    opened: int
    refused: int
    refused_by_reason: dict[str, int]
    write_errors: int = Field(description="Streams that ended since they could not be written to.")
    error_percent: float = Field(
        description="Write errors, and refusals since there was no place, no database or no time left, of "
        "all streams asked for. A missing login or permission is no error of medimgr's."
    )


class ErrorRate(BaseModel):
    """Recent: within the last five minutes."""

    recent: StreamErrors
    ever: StreamErrors


class Compression(BaseModel):
    """All that streams were ever sent."""

    bytes_plain: int
    bytes_sent: int
    saved_percent: float


class ReaderLag(BaseModel):
    """How far a web worker is behind the event log; null before it has looked for the first time."""

    lag_events: int | None
    lag_seconds: float | None
    silent_seconds: float | None = Field(description="Since it last looked. A second where nothing happens.")


class StreamStats(BaseModel):
    """Who is watching, and how well that works."""

    total: int = Field(description="Streams that are open now.")
    pages: int = Field(description="Pages that they feed.")
    pool: Pool
    health: HealthInShort
    queued_bytes: int = Field(description="Bytes kept for clients that do not read.")
    latency_ms: Latency
    errors: ErrorRate
    compression: Compression
    delivered: dict[str, int] = Field(description="Messages ever handed to streams, by kind.")
    replays: int = Field(description="Streams that began with events that their page had missed.")
    replayed_events: int
    resets: int = Field(description="Streams whose page was told to fetch everything anew.")
    reader: ReaderLag = Field(description="Of the web worker that is furthest behind.")
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
    pages: int
    queued_bytes: int
    reader: ReaderLag


class FindingShape(BaseModel):
    """One thing that is wrong, and what to do."""

    code: str
    words: str


class StreamHealth(BaseModel):
    """Whether streams can be served, and by whom."""

    status: str = Field(
        description="ok; idle: nobody watches yet; degraded: see findings; full: no place for another "
        "stream; silent: no live worker"
    )
    reason: str = Field(description="The findings as sentences, empty where all is well.")
    findings: list[FindingShape]
    workers: list[WorkerShape]
    connections: int
    pages: int
    limit: int
    heartbeat_seconds: float
    last_event_id: int
    last_event_at: str | None
