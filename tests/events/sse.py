"""A reader of Server-Sent Events written from the specification, apart from the encoder under test."""

import json
import re
from dataclasses import dataclass
from typing import Any

_LINE_END = re.compile(b"\r\n|\r|\n")


@dataclass(frozen=True)
class Message:
    """One dispatched event. ``id`` is the last event id at that moment, as in a browser."""

    name: str
    text: str
    id: str

    @property
    def data(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.text)
        return decoded


class SseParser:
    """Takes bytes as they come and returns the events that they complete."""

    def __init__(self) -> None:
        self._buffer = b""
        self._searched = 0
        self._name = ""
        self._data: list[str] = []
        self.last_event_id = ""
        self.retry_ms: int | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        self._buffer += chunk
        found = []
        begin = 0
        while end := _LINE_END.search(self._buffer, max(begin, self._searched)):
            if end.group() == b"\r" and end.end() == len(self._buffer):
                break  # the other half of a CRLF may be on its way
            line, begin = self._buffer[begin : end.start()], end.end()
            if message := self._take(line.decode("utf-8")):
                found.append(message)
        self._buffer = self._buffer[begin:]
        self._searched = max(0, len(self._buffer) - 1)
        return found

    def _take(self, line: str) -> Message | None:
        if line == "":
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self.last_event_id = value
        elif field == "retry" and value.isascii() and value.isdecimal():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Message | None:
        name, self._name = self._name, ""
        data, self._data = self._data, []
        return Message(name or "message", "\n".join(data), self.last_event_id) if data else None
