"""Nodes, services and their probes in the terms of Prometheus."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from medimgr.events.models import Tick
from medimgr.tallies.counting import Kept
from medimgr.tallies.metrics import counted, timed
from monitoring.attention import troubles
from monitoring.models import Dependency, Node, Service
from monitoring.states import Health, Intent, State
from monitoring.tallies import PROBED, PROBES, RESTARTS

MOST_SERVICES = 2000
"""Of so many services at most each has figures of its own; the first ones by their key."""
_MEBIBYTE = 1024 * 1024
_COLUMNS = {
    "key": "key",
    "name": "name",
    "schedule": "schedule",
    "node": "node__name",
    "state": "status__state",
    "health": "status__health",
    "intent": "status__intent",
    "reason": "status__reason",
    "flapping": "status__flapping",
    "restarts": "status__restarts",
}
Row = dict[str, Any]


def families(kept: Kept) -> Iterator[Metric]:
    """Yield all metrics of services and nodes. Four queries."""
    now = timezone.now()
    nodes = list(Node.objects.order_by("name"))
    supervised = {node.name: node.is_supervised(now) for node in nodes}
    rows = _services()
    yield from _of_nodes(nodes, supervised)
    yield from _sums(rows)
    shown = rows[:MOST_SERVICES]
    yield from _each(shown, troubles(rows), supervised)
    yield from _used({row["key"] for row in shown}, supervised)
    yield counted(RESTARTS, kept)
    yield counted(PROBES, kept)
    yield timed(PROBED, kept)


def _services() -> list[Row]:
    """Return what the page's sentence is made of, without all else that a service is. Two queries."""
    found = Service.objects.filter(status__isnull=False).order_by("key").values_list(*_COLUMNS.values())
    rows: list[Row] = [dict(zip(_COLUMNS, values, strict=True)) for values in found]
    needs: dict[str, list[str]] = defaultdict(list)
    for key, needed in Dependency.objects.order_by("pk").values_list("service__key", "needs__key"):
        needs[key].append(needed)
    for row in rows:
        row["needs"] = needs.get(row["key"], ())
    return rows


def _of_nodes(nodes: list[Node], supervised: Mapping[str, bool]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "medimgr_node_up",
        "1 where the supervisor of the node reports, 0 where it is silent.",
        labels=["node"],
    )
    heard = GaugeMetricFamily(
        "medimgr_node_heartbeat_timestamp_seconds",
        "When the supervisor of the node last reported, in seconds since 1970.",
        labels=["node"],
    )
    problem = GaugeMetricFamily(
        "medimgr_node_problem",
        "1 where something is wrong with the node itself, such as a full disk.",
        labels=["node"],
    )
    for node in nodes:
        up.add_metric([node.name], int(supervised[node.name]))
        if node.heartbeat_at is not None:
            heard.add_metric([node.name], node.heartbeat_at.timestamp())
        problem.add_metric([node.name], int(bool(node.problem)))
    yield from (up, heard, problem)


def _sums(rows: list[Row]) -> Iterator[Metric]:
    states = Counter((row["node"], row["state"]) for row in rows)
    health = Counter((row["node"], row["health"]) for row in rows if row["state"] == State.RUNNING)
    nodes = sorted({row["node"] for row in rows})
    by_state = GaugeMetricFamily("medimgr_services", "Services by state.", labels=["node", "state"])
    by_health = GaugeMetricFamily(
        "medimgr_services_running", "Services that run, by health.", labels=["node", "health"]
    )
    flapping = GaugeMetricFamily(
        "medimgr_services_flapping", "Services that keep failing without a stable run.", labels=["node"]
    )
    for node in nodes:
        for state in State:
            by_state.add_metric([node, state.value], states[node, state.value])
        for word in Health:
            by_health.add_metric([node, word.value], health[node, word.value])
        flapping.add_metric([node], sum(row["flapping"] for row in rows if row["node"] == node))
    yield from (by_state, by_health, flapping)


def _each(rows: list[Row], wrong: Mapping[str, str], supervised: Mapping[str, bool]) -> Iterator[Metric]:
    labels = ["node", "service"]
    up = GaugeMetricFamily("medimgr_service_up", "1 where it runs and is not unhealthy.", labels=labels)
    wanted = GaugeMetricFamily("medimgr_service_wanted", "1 where it is wanted up.", labels=labels)
    attention = GaugeMetricFamily(
        "medimgr_service_needs_attention",
        "1 where the page says that it needs somebody, or waits for one that does.",
        labels=labels,
    )
    for row in rows:
        if not supervised[row["node"]]:  # what was heard last says nothing of today
            continue
        own = [row["node"], row["key"]]
        up.add_metric(own, int(row["state"] == State.RUNNING and row["health"] != Health.UNHEALTHY))
        wanted.add_metric(own, int(row["intent"] == Intent.UP))
        attention.add_metric(own, int(row["key"] in wrong))
    yield from (up, wanted, attention)


def _used(shown: "set[str]", supervised: Mapping[str, bool]) -> Iterator[Metric]:
    """Yield what process trees used when their supervisor last measured. One query."""
    labels = ["node", "service"]
    cpu = GaugeMetricFamily(
        "medimgr_service_cpu_cores",
        "CPU that its processes use; 0.5 is half of a core.",
        labels=labels,
    )
    memory = GaugeMetricFamily(
        "medimgr_service_resident_memory_bytes", "Memory that its processes hold.", labels=labels
    )
    for node, data in Tick.objects.order_by("node").values_list("node", "data"):
        if not supervised.get(node, False):
            continue
        for key, (percent, megabytes) in sorted(data.items()):
            if key in shown:
                cpu.add_metric([node, key], percent / 100)
                memory.add_metric([node, key], megabytes * _MEBIBYTE)
    yield from (cpu, memory)
