"""Workstations and emulators in the terms of Prometheus."""

from collections import Counter
from collections.abc import Iterator

from django.db.models import Count
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from medimgr.tallies.counting import Kept
from medimgr.tallies.metrics import timed
from workstations.models import Emulator, Workstation
from workstations.states import EmulatorState, Reachability
from workstations.tallies import CONNECTED, RESULTS

MOST_WORKSTATIONS = 2000
"""Of so many workstations at most each has figures of its own; the first ones by their name."""


def families(kept: Kept) -> Iterator[Metric]:
    """Yield all metrics of workstations and emulators. Two queries."""
    now = timezone.now()
    columns = ("name", "status", "polled", "next_probe_at", "read_at")
    rows = list(Workstation.objects.order_by("name").values_list(*columns))
    statuses = Counter(status for _, status, *_ in rows)
    by_status = GaugeMetricFamily("medimgr_workstations", "Workstations by status.", labels=["status"])
    for status in Reachability:
        by_status.add_metric([status.value], statuses[status.value])
    yield by_status
    yield GaugeMetricFamily(
        "medimgr_workstation_breakers_open",
        "Workstations that are not asked for a while, since asking has failed too often.",
        value=sum(until is not None and until > now for *_, until, _ in rows),
    )
    up = GaugeMetricFamily(
        "medimgr_workstation_up",
        "1 where a workstation that is polled answers.",
        labels=["workstation"],
    )
    age = GaugeMetricFamily(
        "medimgr_workstation_read_age_seconds",
        "Since the emulators of a workstation that is polled were last read.",
        labels=["workstation"],
    )
    for name, status, polled, _, read_at in rows[:MOST_WORKSTATIONS]:
        if polled:
            up.add_metric([name], int(status == Reachability.ONLINE))
            if read_at is not None:
                age.add_metric([name], max(0.0, (now - read_at).total_seconds()))
    yield from (up, age)
    yield timed(CONNECTED, kept, [(result,) for result in RESULTS])
    counts = dict(Emulator.objects.order_by().values_list("state").annotate(count=Count("pk")))
    emulators = GaugeMetricFamily("medimgr_emulators", "Emulators by state.", labels=["state"])
    for state in EmulatorState:
        emulators.add_metric([state.value], counts.get(state.value, 0))
    yield emulators
