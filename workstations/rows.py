"""What the pages of workstations show before the first event.

The newest event id is read first. Events are absolute values, so applying one that the snapshot already
contains changes nothing, and a stream that goes on from that id misses nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from medimgr.events.log import last_event_id
from medimgr.lib.access import Person, may
from medimgr.lib.units import age
from operations.models import Operation, OperationQuerySet
from workstations import attention
from workstations.models import Emulator, Workstation
from workstations.states import Reachability

IN_LIST = ("id", "index", "title", "state", "state_since", "pid")
"""The fields of an emulator in the list of all, where they come as arrays: there may be thousands."""
OWN_PAGE = ("system", "host_check")
"""What a workstation's own page shows, and the list does not."""
NOTHING = "–"


def fleet_snapshot(user: Person) -> dict[str, Any]:
    """Return the workstations that ``user`` may look at, with their emulators. Six queries at most.

    ``{count, items, emulator_fields, operations, last_event_id}``. An item is ``Workstation.public()``
    without ``OWN_PAGE``, with ``emulators`` (arrays in the order of ``emulator_fields``) and ``states``
    (how many of its emulators are in which). ``operations`` are those under way. Without emulators for
    somebody who may not see them.
    """
    event_id = last_event_id()
    found: dict[int, list[tuple[Any, ...]]] = {}
    if may(user, "view", Emulator):
        seen = Emulator.objects.visible_to(user).order_by("workstation", "index")
        for owner, *values in seen.values_list("workstation", *IN_LIST):
            values[4] = values[4].isoformat() if values[4] else None
            found.setdefault(owner, []).append(tuple(values))
    items = []
    visible = Workstation.objects.visible_to(user)
    for workstation in visible.defer("ca_certificates", "password_sealed", *OWN_PAGE):
        own = found.get(workstation.pk, [])
        item = _without_own_page(workstation)
        items.append(item | {"emulators": own, "states": dict(Counter(emulator[3] for emulator in own))})
    active = Operation.objects.active().visible_to(user)
    active = active.filter(target_type__in=("workstation", "emulator"))
    return {
        "count": len(items),
        "items": items,
        "emulator_fields": IN_LIST,
        "operations": [operation.public() for operation in active],
        "last_event_id": event_id,
    }


def workstation_snapshot(workstation: Workstation, user: Person) -> dict[str, Any]:
    """Return one workstation, which ``user`` may look at, as :func:`fleet_snapshot` does, with everything.

    Three queries.
    """
    event_id = last_event_id()
    seen = workstation.emulators.all() if may(user, "view", Emulator) else Emulator.objects.none()
    own = [emulator.public() for emulator in seen]
    item = workstation.public() | {
        "emulators": own,
        "states": dict(Counter(emulator["state"] for emulator in own)),
    }
    active = operations_of(workstation, [emulator["id"] for emulator in own]).active().visible_to(user)
    return {
        "count": 1,
        "items": [item],
        "emulator_fields": None,
        "operations": [operation.public() for operation in active],
        "last_event_id": event_id,
    }


def operations_of(workstation: Workstation, emulators: Iterable[int]) -> OperationQuerySet:
    """Return the operations on a workstation and on these of its emulators."""
    return Operation.objects.filter(
        Q(target_type="workstation", target_key=str(workstation.pk))
        | Q(target_type="emulator", target_key__in=[str(pk) for pk in emulators])
    )


def _without_own_page(workstation: Workstation) -> dict[str, Any]:
    # Set, or public() would fetch what was left out, row by row.
    for field in OWN_PAGE:
        setattr(workstation, field, None)
    return {name: value for name, value in workstation.public().items() if name not in OWN_PAGE}


# --- words ---------------------------------------------------------------------------------------------


def status_word(status: str) -> str:
    """Return a workstation's status as a word: ``Not looked at`` where nobody has yet."""
    return "Not looked at" if status == Reachability.UNKNOWN else status.capitalize()


def age_of(moment: str | None, now: datetime) -> str:
    """Return how long ago an ISO time was at ``now``; a dash for None."""
    return age((now - datetime.fromisoformat(moment)).total_seconds()) if moment else NOTHING


def state_words(state: str, since: str | None, now: datetime) -> str:
    """Return the state of an emulator with how long it has been so: ``running 3 h``."""
    return f"{state} {age_of(since, now)}" if since else state


def why(item: Mapping[str, Any]) -> str:
    """Return why a workstation is not online; empty where it is."""
    return "" if item["status"] == Reachability.ONLINE else str(item["last_error"])


def no_emulators(item: Mapping[str, Any]) -> str:
    """Return what stands in place of the emulators of a workstation that has none."""
    return "It has no emulators." if item["read_at"] else "Its emulators have not been read yet."


def row(item: Mapping[str, Any], wrong: Mapping[int, str], now: datetime) -> dict[str, Any]:
    """Return an item with the texts that the templates show."""
    return {
        **item,
        "trouble": wrong.get(item["id"], ""),
        "words": {
            "status": status_word(item["status"]),
            "since": age_of(item["status_since"], now),
            "address": address(item),
            "rollup": attention.rollup(item["states"]) or no_emulators(item),
            "why": why(item),
            "read": f"{age_of(item['read_at'], now)} ago" if item["read_at"] else "never",
        },
    }


def address(item: Mapping[str, Any]) -> str:
    """Return host and port, an IPv6 address in brackets."""
    host = f"[{item['host']}]" if ":" in item["host"] else item["host"]
    return f"{host}:{item['port']}"
