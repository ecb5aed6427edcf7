"""Reads what handlers have written down, as it comes."""

import time
from collections.abc import Callable
from pathlib import Path

_POLL_SECONDS = 0.002


class Starts:
    """Key → CLOCK_MONOTONIC in nanoseconds, of one file."""

    def __init__(self, path: Path) -> None:
        """Begin with an empty file."""
        self.path = path
        path.write_bytes(b"")
        self._offset = 0
        self._rest = b""
        self.at: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        """Read what is new; return all."""
        if self.path.stat().st_size > self._offset:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = self._rest + file.read()
                self._offset = file.tell()
            *lines, self._rest = data.split(b"\n")
            for line in lines:
                key, at = line.decode().split()
                self.at[key] = int(at)
        return self.at

    def wait(self, condition: Callable[[dict[str, int]], bool], seconds: float) -> bool:
        """Read until ``condition`` holds; return whether it did within ``seconds``."""
        end = time.monotonic() + seconds
        while not condition(self.read()):
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_SECONDS)
        return True
