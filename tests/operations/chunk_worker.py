"""A worker process that works in chunks and stands still in the eighth, for ``test_chunks.py``."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from operations.job import Job

KIND = "service.chunks"


def declare(directory: Path) -> None:
    """Declare ``service.chunks``: twenty chunks of 32 items, each item one line in the file ``items``."""
    from monitoring.models import Service
    from operations.chunks import each_chunk
    from operations.registry import Kind, register

    sink = os.open(directory / "items", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    mark = directory / "in the eighth"

    def handler(job: "Job") -> None:
        for start, stop in each_chunk(job, 20 * 32):
            for item in range(start, stop):
                os.write(sink, f"{job.operation.pk} {item}\n".encode())
                if item == 7 * 32 + 10 and not mark.exists():
                    mark.touch()
                    time.sleep(60)  # killed here

    register(Kind(KIND, "In chunks", Service, "start", handler=handler, repeatable=1, resumable=True))


def main(directory: Path) -> None:
    """Carry out what waits, then end."""
    import django

    django.setup()
    from operations.executor import Executor

    declare(directory)
    Executor().run(drain=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
