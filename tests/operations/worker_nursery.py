"""Workers that are there to be killed: one parent that has everything imported forks them, again and again.

python -m tests.operations.worker_nursery DIRECTORY WORKERS LEASE_SECONDS SEED [FAULT]
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from operations.job import Job

LEASE_SECONDS = 1.5
"""Short, since what was killed stays RUNNING for so long."""
REAP_SECONDS = 0.3
CHORE_LEASE_SECONDS = 1.0
LOCK_SECONDS = 0.5
"""What 20 s are to leases of 30."""
ITEMS, CHUNK = 160, 32


def declare_kinds(
    tell: Callable[[str], None] = lambda line: None, seed: str = "", gate: Path = Path("gate")
) -> None:
    """Declare the kinds of the chaos; their handlers tell their effects, one line each.

    ``begin ID`` and ``effect ID`` of an operation, ``item ID NUMBER`` of one in chunks. ``gate``: the file
    that ``service.gated`` waits for.
    """
    from monitoring.models import Service
    from operations.chunks import each_chunk
    from operations.registry import Kind, register

    def deed(job: "Job") -> None:
        dice = random.Random(f"{seed}/{job.operation.target_key}")
        tell(f"begin {job.operation.pk}")
        steps = dice.randint(1, 6)
        for step in range(steps):
            job.progress(step, steps, "at it")
            job.wait(dice.choice([0.0, 0.02, 0.06, 0.15]))
        job.check_cancelled()
        tell(f"effect {job.operation.pk}")

    def gated(job: "Job") -> None:
        tell(f"begin {job.operation.pk}")
        while not gate.exists():
            job.wait(0.02)
        tell(f"effect {job.operation.pk}")

    def in_chunks(job: "Job") -> None:
        tell(f"begin {job.operation.pk}")
        for start, stop in each_chunk(job, ITEMS, size=CHUNK):
            for number in range(start, stop):
                tell(f"item {job.operation.pk} {number}")
                time.sleep(0.0005)  # the work
        tell(f"effect {job.operation.pk}")

    register(Kind("service.deed", "Deed", Service, "start", handler=deed))
    register(Kind("service.repeatable", "Repeatable", Service, "start", handler=deed, repeatable=3))
    register(Kind("service.gated", "Gated", Service, "start", handler=gated))
    register(Kind("service.two", "Two at once", Service, "start", handler=deed, at_once=2))
    register(
        Kind("service.narrow", "Narrow", Service, "start", handler=deed, lane=lambda _: ("the machine", 3))
    )
    register(
        Kind(
            "service.chunks",
            "In chunks",
            Service,
            "start",
            handler=in_chunks,
            repeatable=20,
            resumable=True,
        )
    )


def serve(directory: Path, lease_seconds: float, seed: str, fault: str) -> None:
    """Be an operations worker, with short leases, until SIGTERM; exit status 0."""
    from operations import chores, housekeeping
    from operations.chores import Chore, ChoreRunner
    from operations.executor import Executor
    from tests.operations.planted_faults import FAULTS

    if fault:
        FAULTS[fault](setattr)
    sink = os.open(directory / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    # One write of one short line to a file opened for appending is never torn apart.
    declare_kinds(lambda line: (os.write(sink, f"{line}\n".encode()), None)[1], seed, directory / "gate")
    chores.LEASE_SECONDS = CHORE_LEASE_SECONDS
    chores.RENEW_SECONDS = CHORE_LEASE_SECONDS / 6
    housekeeping.UNSEEN_SECONDS = lease_seconds / 2
    for name in chores.all_chores():
        chores.unregister(name)
    chores.register(Chore("operations.reap", REAP_SECONDS, housekeeping.reap))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    executor = Executor(threads=4, lease_seconds=lease_seconds, watch_seconds=0.05)
    work = threading.Thread(target=executor.run, daemon=True)
    ChoreRunner(executor.owner, look_seconds=0.1).start()
    work.start()
    signal.sigwait({signal.SIGTERM})
    executor.force()
    work.join(10)
    os._exit(0)


def main(directory: Path, workers: int, lease_seconds: float, seed: str, fault: str = "") -> None:
    """Keep so many workers alive."""
    import django

    django.setup()
    from django.conf import settings

    for database in settings.DATABASES.values():
        if "sqlite3" in database["ENGINE"]:
            database["OPTIONS"]["timeout"] = LOCK_SECONDS
    from operations import chunks, executor, housekeeping  # noqa: F401  (what the children need is here)

    alive: set[int] = set()
    while True:
        while len(alive) < workers:
            pid = os.fork()
            if not pid:
                serve(directory, lease_seconds, seed, fault)
            alive.add(pid)
        ended, _ = os.wait()
        alive.discard(ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
