"""A web worker that also writes down when each of its streams ended: ``python -m ... FILE --fd N``.

The times come from the line that the broadcaster logs about every stream that ends.
"""

import logging
import os
import sys
import time

from medimgr.web_worker import main as serve


class Ends(logging.Handler):
    """Appends CLOCK_MONOTONIC, in nanoseconds, for each line about a stream that has ended."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def emit(self, record: logging.LogRecord) -> None:
        """Note the time."""
        if str(record.msg).startswith("Connection %d ended"):
            os.write(self._file, f"{time.monotonic_ns()}\n".encode())


if __name__ == "__main__":
    logging.getLogger("medimgr.events.broadcaster").addHandler(Ends(sys.argv[1]))
    serve(sys.argv[2:])
