"""What a route gets and what it gives: the request with its limits, the answer, the refusal."""

import json
import time
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The request is not carried out. The message tells the client why and what to do."""

    def __init__(self, status: int, message: str, *, retry_after: int | None = None) -> None:
        """Take the HTTP status, the message and, where trying again helps, after how many seconds."""
        self.status = status
        self.message = message
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Request:
    """One request with its body read. ``deadline`` is monotonic: work past it is not wanted."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    deadline: float = float("inf")
    tail: str = ""
    """What the ``*`` of the route stands for."""

    def json(self) -> Any:
        """Return the body as JSON. Raises Refused (400) when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as fault:
            raise Refused(400, f"The body is not JSON: {_short(str(fault))}.") from None

    def table(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises Refused (400) for bad JSON, (422) for anything else."""
        content = self.json()
        if not isinstance(content, dict):
            raise Refused(422, f"The body has to be a JSON object, not {type(content).__name__}.")
        return content

    def whole(self, name: str, default: int) -> int:
        """Return a query parameter as a number from 0 up. Raises Refused (422)."""
        text = self.query.get(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise Refused(422, f"{name}={_short(text)} is not a whole number from 0 up.")
        return int(text)

    def check_deadline(self) -> None:
        """Raise Refused (503) once the request has had all the time that it gets."""
        if time.monotonic() >= self.deadline:
            raise Refused(503, "The request did not finish in time. Send less at once.", retry_after=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: JSON by default, an HTML page where ``page`` is set."""

    content: Any = None
    status: int = 200
    page: str = ""
    see_other: str = ""
    """Where a browser goes on, after a form."""

    def body(self) -> bytes:
        """Return the bytes to send."""
        if self.page:
            return self.page.encode()
        return json.dumps(self.content, separators=(",", ":")).encode() + b"\n"

    def content_type(self) -> str:
        """Return the media type of the body."""
        return "text/html; charset=utf-8" if self.page else "application/json"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
