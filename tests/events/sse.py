"""A reader of Server-Sent Events written from the specification, apart from the encoder under test."""

import json
from dataclasses import dataclass
from typing import Any


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
        self._name = ""
        self._data: list[str] = []
        self.last_event_id = ""
        self.retry_ms: int | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        self._buffer += chunk
        found = []
        while (end := self._line_end()) is not None:
            line, self._buffer = self._buffer[: end[0]], self._buffer[end[1] :]
            if message := self._take(line.decode("utf-8")):
                found.append(message)
        return found

    def _line_end(self) -> tuple[int, int] | None:
        for position, byte in enumerate(self._buffer):
            if byte == 10:
                return position, position + 1
            if byte == 13:
                pair = self._buffer[position + 1 : position + 2]
                return position, position + (2 if pair == b"\n" else 1)
        return None

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
