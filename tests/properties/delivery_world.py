"""Publishers, watchers and web workers that die: a site on which everything happens at once, at random."""

import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from medimgr.events.log import Fact, publish_all
from medimgr.events.models import Event
from medimgr.events.retention import prune
from tests.events.conftest import Site
from tests.properties.event_watcher import KEPT_SECONDS, Noted, Schedule, Watcher
from tests.running import RunningProcess, wait_for

TOPICS = ("connection", "service", "node", "operation", "workstation")
SETTLE_SECONDS = 20.0


class DeliveryWorld:
    """Runs one random schedule on a site and compares what clients got with what was committed."""

    def __init__(self, site: Site, seed: str) -> None:
        """Take a site whose workers run. The same seed makes the same dice, not the same timing."""
        self._site = site
        self._seed = seed
        self._dice = random.Random(seed)
        self._schedule = Schedule(site.ports, site.operator())
        self._publishers: list[RunningProcess] = []
        self.watchers: list[Watcher] = []
        self.truth: dict[int, Noted] = {}
        """Every event that was committed, pruned ones included."""

    def begin(self, *, watchers: int, publishers: int, fault: str = "") -> None:
        """Start everybody; ``fault`` is what the publishers do wrong."""
        for number in range(publishers):
            self._start_publisher(f"p{number}", fault)
        for number in range(watchers):
            topics = frozenset(self._dice.sample(TOPICS, self._dice.randint(1, len(TOPICS))))
            self.watchers.append(Watcher(self._schedule, topics, f"{self._seed}/{number}"))
            self.watchers[-1].start()
        wait_for(lambda: all("committed" in one.output() for one in self._publishers), 20, "events")

    def rage(self, seconds: float) -> None:
        """Kill, stop and start web workers and publishers, and prune the log, for so long."""
        self._schedule.pruning = True
        mischief: list[Callable[[], None]] = [
            partial(self._restart_worker, signal.SIGKILL),
            partial(self._restart_worker, signal.SIGTERM),
            self._kill_a_publisher,
            self._prune,
            self._prune,
        ]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._dice.choice(mischief)()
            time.sleep(self._dice.uniform(0.1, 0.6))
        self._schedule.pruning = False

    def run_on(self, events: int) -> None:
        """Wait until so many events have been committed."""
        wait_for(lambda: self._newest() >= events, 30, f"{events} events")

    def settle(self) -> list[str]:
        """End the publishers, let every watcher get the rest; return what is wrong, one line for each."""
        for process in self._publishers:
            if process.alive:
                process.stop()
        with self._site.instance.database():
            with transaction.atomic():
                publish_all(Fact(topic, f"last {topic}", {}) for topic in TOPICS)
            ends = Event.objects.filter(key__startswith="last ").values_list("topic", "id")
            self._schedule.ends_at = dict(ends)
        end = time.monotonic() + SETTLE_SECONDS
        for watcher in self.watchers:
            watcher.join(max(0.1, end - time.monotonic()))
        self._collect()
        complaints = ((one.name, one.complaint(self.truth)) for one in self.watchers)
        return [f"{name}: {complaint}" for name, complaint in complaints if complaint] + self._broken_words()

    @property
    def resets(self) -> int:
        """Return how often a watcher was told to start over."""
        return sum(watcher.resets for watcher in self.watchers)

    @property
    def visits(self) -> int:
        """Return how many streams were opened."""
        return sum(watcher.visits for watcher in self.watchers)

    # --- what happens ------------------------------------------------------------------------------
    def _start_publisher(self, name: str, fault: str = "") -> None:
        command = [sys.executable, "-m", "tests.properties.event_publisher", name, self._seed, fault]
        self._publishers.append(self._site.instance.start_command(command, name=f"publisher-{name}"))

    def _restart_worker(self, number: signal.Signals) -> None:
        self._site.restart_worker(self._dice.randrange(len(self._site.ports)), number)

    def _kill_a_publisher(self) -> None:
        living = [process for process in self._publishers if process.alive]
        if len(living) > 1:
            self._dice.choice(living).kill()  # in the middle of its transactions
        self._start_publisher(f"p{len(self._publishers)}")

    def _prune(self) -> None:
        limit = timezone.now() - timedelta(seconds=KEPT_SECONDS)
        self._collect()
        with self._site.instance.database():
            old = Event.objects.filter(at__lt=limit).order_by("-id").first()
            if old is not None:
                self._schedule.pruned_up_to = old.pk
            prune(limit)

    # --- what is true ------------------------------------------------------------------------------
    def _collect(self) -> None:
        with self._site.instance.database():
            for event in Event.objects.after(max(self.truth, default=0)):
                size = len(str(event.data))
                self.truth[event.pk] = Noted(event.pk, event.topic, event.key, event.data.get("n"), size)

    def _newest(self) -> int:
        with self._site.instance.database():
            return Event.objects.latest("id").pk

    def _broken_words(self) -> list[str]:
        """Return what publishers said about their transactions that the log does not bear out."""
        stored = {event.key for event in self.truth.values()}
        said: dict[str, set[str]] = {"committed": set(), "undone": set()}
        for process in self._publishers:
            for line in process.output().splitlines():
                word, *keys = line.split()
                if word in said:
                    said[word].update(keys)
        lost, undead = said["committed"] - stored, said["undone"] & stored
        return [f"the log has lost {sorted(lost)[:5]} and kept {sorted(undead)[:5]}"] if lost | undead else []
