"""What medimgr itself has to say in a service's log."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

_log = logging.getLogger(__name__)


def note(path: Path, words: str, *, create: bool = False) -> None:
    """Append a line to the log at ``path``, on a line of its own; where that fails, warn.

    The file keeps the time of its last change: that is when the service has last written.
    """
    text = f"medimgr, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {words}\n".encode()
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        fd = os.open(path, flags | (os.O_CREAT if create else 0), 0o640)
        try:
            before = os.fstat(fd)
            if before.st_size and os.pread(fd, 1, before.st_size - 1) != b"\n":
                text = b"\n" + text
            os.write(fd, text)
            if os.fstat(fd).st_size == before.st_size + len(text):
                os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        finally:
            os.close(fd)
    except OSError as error:
        _log.warning("%s: this could not be written to it (%s): %s", path, error.strerror, words)
