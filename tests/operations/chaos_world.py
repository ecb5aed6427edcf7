"""Two workers, some hundred operations, and somebody who kills, stops and cancels at random."""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from medimgr.events.models import Event
from medimgr.lib.problems import Problem
from monitoring.models import Service
from operations import registry
from operations.exceptions import NotCancellable
from operations.intake import request_operation, retry
from operations.lifecycle import request_cancel
from operations.models import Batch, Operation
from operations.registry import WORKER_QUEUE
from operations.requester import Requester
from operations.states import FINISHED_VALUES, Status
from tests.factories import make_node
from tests.operations.chaos_promises import Seen
from tests.operations.worker_nursery import LEASE_SECONDS, declare_kinds
from tests.running import Instance

ASKER = Requester("asker", "api")
KINDS = {
    "service.deed": 7,
    "service.repeatable": 4,
    "service.two": 2,
    "service.narrow": 3,
    "service.chunks": 2,
}
WORKERS = 2


class ChaosWorld:
    """Runs one random schedule. The same seed makes the same dice, not the same timing."""

    def __init__(self, instance: Instance, seed: str) -> None:
        """Take a fresh installation; nothing runs before :meth:`begin`."""
        self._instance = instance
        self._seed = seed
        self._dice = random.Random(seed)
        self._directory: Path = instance.directory / "chaos"
        self._directory.mkdir()
        self._over = threading.Event()
        self._again: set[int] = set()
        self._threads: list[threading.Thread] = []
        self.kills: Counter[str] = Counter()
        self.longest_overdue = 0.0
        """Seconds for which a row was seen RUNNING past its lease."""
        self.most: Counter[str] = Counter()
        """How many of a kind were seen RUNNING at the same time."""

    def begin(
        self, operations: int, fault: str = "", *, kind: str = "", lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """Start the workers, and ask for so many operations in batches while they run.

        All are of one ``kind``, or else of several; ``fault`` is what is planted into the workers.
        """
        declare_kinds()
        self._kinds = {kind: 1} if kind else KINDS
        self._lease_seconds = lease_seconds
        command = [sys.executable, "-m", "tests.operations.worker_nursery", str(self._directory)]
        arguments = [str(WORKERS), str(lease_seconds), self._seed, fault]
        nursery = self._instance.start_command([*command, *arguments], name="nursery")
        self._output = nursery.output
        self._nursery = psutil.Process(nursery.pid)
        with self._instance.database():
            node = make_node()
            keys = [f"s{number:03}" for number in range(operations)]
            Service.objects.bulk_create(
                Service(key=key, name=key, node=node, command=["true"]) for key in keys
            )
        self._instance.wait_for(lambda: len(self._pids()) == WORKERS, 30, "the workers are there")
        self._threads = [
            threading.Thread(target=self._in_database, args=(work,), daemon=True)
            for work in (lambda: self._ask(keys), self._look)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "ChaosWorld":
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads; the processes end with the installation."""
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def rage(self, seconds: float) -> None:
        """Do mischief for so long, longer while it is still being asked."""
        mischief: list[Callable[[], None]] = [self._kill] * 8 + [self._cancel] * 4 + [self._retry] * 2
        mischief += [self._freeze, self._end]
        end = time.monotonic() + seconds
        with self._instance.database():
            while time.monotonic() < end or self._threads[0].is_alive():
                self._dice.choice(mischief)()
                time.sleep(self._dice.uniform(0.02, 0.25))

    def kill_all(self) -> None:
        """Kill every worker there is at this moment; others take their places."""
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def settle(self, timeout: float) -> Seen:
        """Leave the workers alone until all has ended, or for so long; return what there is to see."""
        with self._instance.database():
            end = time.monotonic() + timeout
            while Operation.objects.active().exists() and time.monotonic() < end:
                time.sleep(0.05)
            rows = {row.pk: row for row in Operation.objects.all()}
            told = list(Event.objects.filter(topic="operation").order_by("id").values_list("data", flat=True))
            batches = list(Batch.objects.all())
        return Seen(rows, told, self.lines(), batches, registry.all_kinds(), self._again)

    def lines(self) -> list[list[str]]:
        """Return what handlers have told so far."""
        path = self._directory / "effects"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def output(self) -> str:
        """Return what the workers have written."""
        return self._output()

    def go_on(self, seconds: float) -> None:
        """Let the workers work for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)

    def ask_for_one(self) -> Operation:
        """Ask for one operation more, on a service that has none under way."""
        target = Service.objects.create(key="one-more", name="One more", node=make_node(), command=["true"])
        return request_operation("service.deed", target, target.key, queue=WORKER_QUEUE, requester=ASKER)

    def open_gate(self) -> None:
        """Let operations of the kind ``service.gated`` go on."""
        (self._directory / "gate").touch()

    def wait_until_asked(self) -> None:
        """Wait until all is asked for."""
        self._threads[0].join(60)

    # --- what happens ------------------------------------------------------------------------------
    def _pids(self) -> list[int]:
        # Those that live, so that nobody else is hit who has got the number since.
        return [child.pid for child in self._nursery.children()]

    def _signal(self, number: signal.Signals) -> int:
        pids = self._pids()
        if not pids:
            return 0
        pid = self._dice.choice(sorted(pids))
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            self.kills[number.name] += 1
        return pid

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _end(self) -> None:
        self._signal(signal.SIGTERM)

    def _freeze(self) -> None:
        """Stop a worker for longer than its leases last: it wakes up owning nothing any more."""
        pid = self._signal(signal.SIGSTOP)
        thaw = threading.Timer(self._lease_seconds + 0.8, _continue, [pid])
        thaw.daemon = True
        thaw.start()

    def _cancel(self) -> None:
        rows = list(Operation.objects.active().order_by("id")[:30])
        if rows:
            with suppress(NotCancellable):
                request_cancel(self._dice.choice(rows), ASKER)

    def _retry(self) -> None:
        rows = list(Operation.objects.filter(status__in=["FAILED", "CANCELLED"]).order_by("id"))
        rows = [row for row in rows if not registry.get(row.kind).repeatable and row.attempt == 1]
        if rows:
            with suppress(Problem):
                self._again.add(retry(self._dice.choice(rows), ASKER).pk)

    # --- in threads of their own -------------------------------------------------------------------
    def _in_database(self, work: Callable[[], None]) -> None:
        with self._instance.database():
            work()

    def _ask(self, keys: list[str]) -> None:
        dice = random.Random(f"{self._seed}/asking")
        kinds = dice.choices(list(self._kinds), weights=list(self._kinds.values()), k=len(keys))
        services = Service.objects.in_bulk(keys, field_name="key")
        size = 20
        for begin in range(0, len(keys), size):
            batch = Batch.objects.create(
                id=f"batch-{begin}",
                kind="service.deed",
                requester=ASKER.name,
                source=ASKER.source,
                created_at=timezone.now(),
                total=len(keys[begin : begin + size]),
            )
            for key, kind in zip(keys[begin : begin + size], kinds[begin:], strict=False):
                request_operation(
                    kind,
                    services[key],
                    key,
                    queue=WORKER_QUEUE,
                    requester=ASKER,
                    priority=dice.choice([-5, 0, 0, 0, 7]),
                    batch=batch.pk,
                )

    def _look(self) -> None:
        while not self._over.wait(0.04):
            try:
                rows = list(
                    Operation.objects.filter(status=Status.RUNNING).values_list("kind", "lease_until")
                )
                now = timezone.now()
                for kind, count in Counter(kind for kind, _ in rows).items():
                    self.most[kind] = max(self.most[kind], count)
                for _, until in rows:
                    assert until is not None, FINISHED_VALUES
                    self.longest_overdue = max(self.longest_overdue, (now - until).total_seconds())
            except (DatabaseError, InterfaceError):
                connection.close()


def _continue(pid: int) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
