"""A stay at a workstation for one operation: it acts, reads back what came of it, and waits for more."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from django.utils import timezone

from operations.exceptions import Cancelled, LeaseLost
from operations.job import Job
from operations.models import Operation
from workstations import inventory
from workstations.emulator_kinds import safety
from workstations.emulator_kinds.listing import Listing
from workstations.exceptions import EmulatorChanged, RemoteFailure
from workstations.ldplayer.configs import Config, read_configs
from workstations.ldplayer.ldconsole import Ldconsole
from workstations.ldplayer.list2 import Instance
from workstations.models import Change, Emulator, Workstation
from workstations.winrm import Host
from workstations.winrm.reaching import reach

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two readings: often at first, since much is done at once."""
PREEMPTED_SECONDS = 10.0
ENDING_SECONDS = 2.0
"""So long whoever was told to stop may still be at work: see the lease keeper and the transport."""

T = TypeVar("T")


class Visit:
    """What a handler works with. Not for more than one thread, as its connection is not."""

    def __init__(self, job: Job, workstation: Workstation, host: Host) -> None:
        """Take an open connection."""
        self.job = job
        self.workstation = workstation
        self.host = host
        self.access = host.access
        self.ldconsole = Ldconsole(host, self.access, self._log)
        self.configs: Mapping[int, Config] = {}
        """Of every emulator by its index, as :meth:`read` has last read them."""
        self.step = ""
        """What was begun and is not done."""
        self._last_said = ""

    def read(self, *, with_configs: bool = False) -> Listing:
        """Return the list as it is now, stored and published where it has changed. Queries the database.

        With the configs, which take a second more, :attr:`configs` has them. Raises RemoteFailure, and
        Cancelled where that was asked.
        """
        self.job.check_cancelled()
        began_at = timezone.now()
        instances = self.ldconsole.list2()
        configs = read_configs(self.host) if with_configs else None
        self.configs = configs or {}
        inventory.record(
            self.workstation, instances, configs, operation_id=self.job.operation.pk, began_at=began_at
        )
        return Listing(instances)

    def until(self, found: Callable[[Listing], T | None], seconds: float) -> T | None:
        """Read again and again until ``found`` returns something, and return that; None after ``seconds``."""
        end = time.monotonic() + seconds
        pause = FIRST_PAUSE
        while True:
            result = found(self.read())
            if result is not None:
                return result
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.job.wait(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _log(self, text: str, level: str = "info") -> None:
        # While it waits, the list is the same most of the time.
        if text != self._last_said or level != "debug":
            self.job.log(text, level)
        self._last_said = text

    def say(self, done: int, total: int, message: str) -> None:
        """Tell how far the operation is, on its page and in its log."""
        self.step = message if done < total else ""
        self.job.log(message)
        self.job.progress(done, total, message, at_once=done < total)


@contextmanager
def at_workstation(job: Job) -> Iterator[Visit]:
    """Open a connection to the operation's workstation. Raises RemoteFailure."""
    workstation = job.target()
    if not isinstance(workstation, Workstation):
        raise TypeError(f"{job.kind.name} works on workstations alone.")
    with _visiting(job, workstation) as visit:
        yield visit


@contextmanager
def at_emulator(job: Job) -> Iterator[tuple[Visit, Emulator]]:
    """Open a connection to the workstation of the operation's emulator. Raises RemoteFailure.

    Raises EmulatorChanged where its title changed since the operation was asked for: whoever asked meant
    another one. While the operation waits or runs, nobody else here can rename it.
    """
    emulator = job.target()
    if not isinstance(emulator, Emulator):
        raise TypeError(f"{job.kind.name} works on emulators alone.")
    changes = Change.objects.filter(
        workstation=emulator.workstation_id,
        index=emulator.index,
        what__in=("title", "found", "gone"),
        at__gt=job.operation.created_at,
    )
    change = changes.order_by("id").first()
    if change is not None:
        raise EmulatorChanged(
            f"Index {emulator.index} holds another emulator than when this was asked for: {change}. Nothing "
            "was done. Ask anew for the one that you mean."
        )
    with _visiting(job, emulator.workstation) as visit:
        yield visit, emulator


def own(reading: Listing, emulator: Emulator) -> Instance:
    """Return the operation's emulator as it was read. Raises EmulatorChanged."""
    return safety.still_there(reading, emulator.index, emulator.title)


@contextmanager
def _visiting(job: Job, workstation: Workstation) -> Iterator[Visit]:
    job.progress(0, 0, f"Connecting to {workstation.name}")
    began_at = timezone.now()
    with reach(workstation, job) as host:
        visit = Visit(job, workstation, host)
        try:
            yield visit
        except (Cancelled, LeaseLost, RemoteFailure) as end:
            if end is host.opening_failure:  # what fails of the errand itself is none of its status
                inventory.record_failure(workstation, end, job.operation.pk, began_at=began_at)
            if visit.step:
                job.log(f"Not finished: {visit.step}. What was begun there may go on by itself.", "warning")
            raise


def wait_for_the_preempted(job: Job) -> None:
    """Wait until what this operation has put an end to has surely let go of the emulator. One query."""
    operation = job.operation
    ended = Operation.objects.of(operation.target_type, operation.target_key).filter(
        error_code="superseded",
        started_at__isnull=False,
        finished_at__gte=timezone.now() - timedelta(seconds=PREEMPTED_SECONDS),
    )
    if ended.exists():
        job.progress(0, 0, "Waiting until what it replaces has ended")
        job.wait(ENDING_SECONDS)
