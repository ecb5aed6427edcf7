"""A worker process with a handler of the tests' own, for ``test_worker_processes.py``."""

import os
import sys
import time
from pathlib import Path


def main(directory: Path) -> None:
    """Carry out ``service.note`` by appending a line to ``notes``, until nothing waits.

    Begins once there is a file ``go``, so that a race has a start.
    """
    import django

    django.setup()
    from monitoring.models import Service
    from operations.executor import Executor
    from operations.job import Job
    from operations.registry import Kind, register

    sink = os.open(directory / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(job: Job) -> None:
        # One write of one short line to a file opened for appending is never torn apart.
        os.write(sink, f"{job.operation.pk} {os.getpid()}\n".encode())
        time.sleep(0.03)  # the work, long enough for the other worker to take its share

    register(Kind("service.note", "Note", Service, "start", handler=note))
    (directory / f"ready-{os.getpid()}").touch()
    while not (directory / "go").exists():
        time.sleep(0.005)
    Executor(threads=4).run(drain=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
