"""The shapes in which the API takes questions about logs, and answers them."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from monitoring.log_pages import Stream

Offset = Annotated[int, Field(ge=0, le=2**62)]
"""A byte of a log, counted from the first one ever written: it outlives rotations."""


class LogShape(BaseModel):
    """Some lines of a log, and where to go on from."""

    service: str
    lines: list[str]
    offset: int = Field(description="Ask for this offset, with this inode, to go on.")
    inode: int
    reset: bool = Field(description="The log was emptied or replaced by hand: this does not follow.")
    skipped: int = Field(description="Bytes between the offset asked for and the first line.")
    found: int | None = Field(None, description="Of ``around``: which of the lines it is.")


class LogMatch(BaseModel):
    """A line that was found."""

    offset: int = Field(description="Where it begins; ``around`` shows what stands around it.")
    line: str = Field(description="Its first 4 KiB.")


class LogFound(BaseModel):
    """What a search has found, the newest first."""

    service: str
    search: str
    count: int = Field(description="All lines that match in what was searched, shown or not.")
    matches: list[LogMatch]
    scanned_from: int = Field(description="Go on with ``before`` this, unless ``complete``.")
    scanned_to: int
    complete: bool = Field(description="It was searched to the beginning of what is kept.")


class LogArchive(BaseModel):
    """One archive of a log."""

    model_config = {"populate_by_name": True}

    number: int = Field(description="1 is the newest.")
    stored_bytes: int
    compressed: bool
    ended_at: str = Field(description="When its last line was written.")
    begin: int | None = Field(alias="from", description="None for one that medimgr has not made.")
    end: int | None = Field(alias="to")


class LogArchives(BaseModel):
    """What is kept of a log."""

    model_config = {"populate_by_name": True}

    service: str
    apart: bool = Field(description="stderr has a log of its own.")
    begin: int = Field(alias="from", description="Offset of the oldest byte that is kept.")
    live_from: int = Field(description="What comes after this is in no archive yet.")
    end: int = Field(alias="to", description="Offset that the next byte will have.")
    archives: list[LogArchive]


class StreamQuery(BaseModel):
    """Which of a service's logs is wanted."""

    stream: Stream = Field("stdout", description="stderr is the same, unless it is declared to be apart.")


class LogQuery(StreamQuery):
    """Which part of a log is wanted: the last lines, what came after an offset, or what holds a text."""

    lines: int = Field(200, ge=1, le=5000, description="How many lines from the end, or ``around``.")
    offset: Offset | None = Field(None, description="Go on from here instead.")
    inode: int | None = Field(None, ge=0, le=2**64, description="The file that the offset belongs to.")
    around: Offset | None = Field(None, description="The lines around the one that begins here.")
    search: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None, description="Only lines with this text, from the newest back, archives included."
    )
    regex: bool = Field(False, description="The text is a regular expression (Python's).")
    case: bool = Field(False, description="Upper and lower case differ.")
    before: Offset | None = Field(None, description="Search only what comes before this offset.")
    limit: int = Field(200, ge=1, le=1000, description="Show so many matches at most.")
    download: bool = Field(False, description="All that is kept, as an attachment.")


class DownloadQuery(StreamQuery):
    """Which part of a log is wanted as a file; without any of these, all that is kept."""

    begin: Offset | None = Field(None, alias="from", description="From this offset on.")
    end: Offset | None = Field(None, alias="to", description="Up to this offset.")
    last: int | None = Field(None, ge=1, le=2**62, description="The newest so many bytes, whole lines.")
    archive: int | None = Field(None, ge=1, le=999_999, description="What this archive holds.")
