"""What a page or client shows before the first event: all services with their live figures.

The newest event id is read first. Events are absolute values, so applying one that the snapshot
already contains changes nothing, and a stream that goes on from that id misses nothing.
"""

from collections import defaultdict
from typing import Any

from django.utils import timezone

from medimgr.events.log import last_event_id
from medimgr.events.models import Tick
from medimgr.lib.access import Person
from monitoring.models import Dependency, Node, Service, ServiceQuerySet
from monitoring.states import State
from operations.models import Operation


def services_snapshot(
    services: ServiceQuerySet | None = None, *, user: Person | None = None
) -> dict[str, Any]:
    """Return ``{count, items, nodes, last_event_id}`` in six queries, however many services there are.

    Of ``services`` (None: of all) those that ``user`` may look at; None is a command, which sees all. A
    user's scope is one query more, and three for who is limited.

    An item is ``Service.public()`` with ``cpu_percent``, ``memory_mb`` (None where nothing runs or is
    measured), ``operation`` (the active operation's public shape, or None) and ``needs`` (the keys of
    the services that it waits for). A service whose node no
    supervisor reports for is shown as UNKNOWN: what the database last heard may long be untrue.
    """
    event_id = last_event_id()
    now = timezone.now()
    nodes = {node.name: node for node in Node.objects.all()}
    figures: dict[str, list[float]] = {}
    for tick in Tick.objects.all():
        if tick.node in nodes and nodes[tick.node].is_supervised(now):
            figures.update(tick.data)
    operations = {
        operation.target_key: operation.public()
        for operation in Operation.objects.active().filter(target_type="service").visible_to(user)
    }
    needs: dict[str, list[str]] = defaultdict(list)
    pairs = (
        Dependency.objects.visible_to(user)
        .values_list("service__key", "needs__key")
        .order_by("service__key", "needs__key")
    )
    for service_key, needed_key in pairs:
        needs[service_key].append(needed_key)
    rows = services if services is not None else Service.objects.all()
    items = []
    for service in rows.visible_to(user).for_display():
        item = service.public()
        cpu_and_memory = figures.get(service.key) if service.status.pid else None
        item["cpu_percent"], item["memory_mb"] = cpu_and_memory or (None, None)
        item["operation"] = operations.get(service.key)
        item["needs"] = needs[service.key]
        if not nodes[item["node"]].is_supervised(now):
            item["last_state"], item["state"] = item["state"], State.UNKNOWN.value
        items.append(item)
    return {
        "count": len(items),
        "items": items,
        "nodes": [node.public(now) for node in nodes.values()],
        "last_event_id": event_id,
    }
