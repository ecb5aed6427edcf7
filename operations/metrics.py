"""Operations, queues and chores in the terms of Prometheus."""

from collections import Counter
from collections.abc import Iterator

from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from medimgr.tallies.counting import Kept
from medimgr.tallies.metrics import counted, timed
from operations import queues, registry, tallies
from operations.models import ChoreRun, Operation
from operations.states import ACTIVE, FINISHED, Status


def families(kept: Kept) -> Iterator[Metric]:
    """Yield all metrics of operations and chores. Two queries, served by indexes however many have ended.

    Those that have ended are counters, since their rows are purged.
    """
    yield from _active()
    kinds = sorted(registry.all_kinds())
    ends = [(kind, status.value) for kind in kinds for status in FINISHED]
    yield counted(tallies.ENDED, kept, ends)
    yield counted(tallies.LOST, kept, [(queue,) for queue in _served()])
    yield timed(tallies.TOOK, kept)
    yield timed(tallies.WAITED, kept)
    yield from _chores()


def _served() -> list[str]:
    return [registry.WORKER_QUEUE, *queues.declared()]


def _active() -> Iterator[Metric]:
    now = timezone.now()
    due = Q(status=Status.PENDING, run_after__lte=now)
    rows = (
        Operation.objects.active()
        .order_by()
        .values_list("queue", "status")
        .annotate(count=Count("id"), due=Count("id", filter=due), oldest=Min("run_after", filter=due))
    )
    states: Counter[str] = Counter()
    waiting, running = Counter(dict.fromkeys(_served(), 0)), Counter(dict.fromkeys(_served(), 0))
    oldest: dict[str, float] = {}
    for queue, status, count, ready, first in rows:
        states[status] += count
        if status == Status.RUNNING:
            running[queue] += count
            waiting[queue] += 0
        else:
            waiting[queue] += ready
            running[queue] += 0
        if first is not None:
            oldest[queue] = max(0.0, (now - first).total_seconds())
    active = GaugeMetricFamily(
        "medimgr_operations", "Operations that have not ended, by state.", labels=["state"]
    )
    for state in sorted(ACTIVE):
        active.add_metric([state.value], states[state.value])
    yield active
    by_queue = ["queue"]
    length = GaugeMetricFamily(
        "medimgr_operation_queue_length", "Operations that might begin and wait in a queue.", labels=by_queue
    )
    busy = GaugeMetricFamily(
        "medimgr_operation_queue_running", "Operations of a queue that are carried out.", labels=by_queue
    )
    age = GaugeMetricFamily(
        "medimgr_operation_queue_oldest_seconds",
        "For how long the one that waits longest might have begun; 0 where none waits.",
        labels=by_queue,
    )
    for queue in sorted(waiting):
        length.add_metric([queue], waiting[queue])
        busy.add_metric([queue], running[queue])
        age.add_metric([queue], oldest.get(queue, 0.0))
    yield from (length, busy, age)


def _chores() -> Iterator[Metric]:
    failures = GaugeMetricFamily(
        "medimgr_chore_failures", "Runs of a chore that have failed in a row.", labels=["chore"]
    )
    ended = GaugeMetricFamily(
        "medimgr_chore_last_end_timestamp_seconds",
        "When a chore's last run ended, in seconds since 1970.",
        labels=["chore"],
    )
    for row in ChoreRun.objects.order_by("name"):
        failures.add_metric([row.name], row.failures)
        if row.finished_at is not None:
            ended.add_metric([row.name], row.finished_at.timestamp())
    yield from (failures, ended)
