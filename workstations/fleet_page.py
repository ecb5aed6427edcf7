"""What the list of workstations shows: its filters, which of them hide what, and the texts of its tiles."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from workstations import attention, rows
from workstations.rows import IN_LIST
from workstations.states import EmulatorState, Reachability

STATUS_FILTERS = (
    ("all", "All"),
    ("attention", "Needs attention"),
    (Reachability.ONLINE.value, "Online"),
    (Reachability.OFFLINE.value, "Offline"),
    (Reachability.ERROR.value, "Error"),
    (Reachability.UNKNOWN.value, "Not looked at"),
)
STATE_FILTERS = (
    ("", "Any state"),
    (EmulatorState.RUNNING.value, "Running"),
    (EmulatorState.STARTING.value, "Starting"),
    (EmulatorState.STOPPED.value, "Stopped"),
    (EmulatorState.ZOMBIE.value, "Zombie"),
    (EmulatorState.UNKNOWN.value, "Unknown"),
)
OFTEN_EMPTY = frozenset({Reachability.ERROR, EmulatorState.STARTING, EmulatorState.ZOMBIE, "unknown"})
"""Filters that are shown only where there is something to filter."""
BLANK: dict[str, Any] = {
    "id": "_",
    "status": Reachability.UNKNOWN.value,
    "polled": True,
    "shown": True,
    "tiles": [{"id": "_", "state": "unknown", "shown": True}],
}
"""What a workstation, and an emulator on it, that is made in the browser is copied from."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What the reader wants to see."""

    show: str = "all"
    """The status of workstations, or ``attention``."""
    state: str = ""
    """The state of emulators; empty: any."""
    tag: str = ""
    search: str = ""

    @classmethod
    def read(cls, query: Mapping[str, Any]) -> "Selection":
        """Return what an address asks for; what it cannot mean counts as not said."""
        show, state = str(query.get("show", "all")), str(query.get("state", ""))
        return cls(
            show if show in dict(STATUS_FILTERS) else "all",
            state if state in dict(STATE_FILTERS) else "",
            str(query.get("tag", "")).strip(),
            str(query.get("q", "")).strip(),
        )

    def address(self, **changes: str) -> str:
        """Return the query of an address for this selection with ``changes``."""
        given = {"show": self.show, "state": self.state, "tag": self.tag, "q": self.search} | changes
        return "?" + urlencode({name: value for name, value in given.items() if value and value != "all"})

    def fits(self, item: Mapping[str, Any], wrong: Mapping[int, str]) -> bool:
        """Return whether a workstation is among the wanted, its emulators and the search aside."""
        by_status = self.show == "all" or self.show in attention.buckets(item, wrong)
        return by_status and (not self.tag or self.tag in item["tags"])

    def tiles(self, item: Mapping[str, Any]) -> list[bool]:
        """Return which of its emulators are shown. All of them where the search is for the workstation."""
        text = self.search.lower()
        found = self.names(item)
        return [
            (found or text in title.lower()) and self.state in ("", state)
            for _, _, title, state, *_ in item["emulators"]
        ]

    def names(self, item: Mapping[str, Any]) -> bool:
        """Return whether what is searched for is in the name, host or tags."""
        return self.search.lower() in f"{item['name']} {item['host']} {' '.join(item['tags'])}".lower()


def hosts(
    items: Sequence[Mapping[str, Any]], wrong: Mapping[int, str], selection: Selection, now: datetime
) -> list[dict[str, Any]]:
    """Return the workstations as the template shows them, with ``shown`` and ``tiles``."""
    found = []
    for item in items:
        seen = selection.tiles(item)
        # Without a search and a state to look for, one without emulators is shown like the others.
        shown = any(seen) or (selection.names(item) and not selection.state)
        found.append(
            {
                **rows.row(item, wrong, now),
                "shown": shown and selection.fits(item, wrong),
                "tiles": [
                    emulator(dict(zip(IN_LIST, values, strict=True)), now) | {"shown": visible}
                    for values, visible in zip(item["emulators"], seen, strict=True)
                ],
            }
        )
    return found


def emulator(item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return an emulator with the line that says its state."""
    return {**item, "said": rows.state_words(item["state"], item["state_since"], now)}


def status_filters(
    items: Sequence[Mapping[str, Any]], wrong: Mapping[int, str], selection: Selection
) -> list[dict[str, Any]]:
    """Return the chips that filter workstations, each with how many it shows of all."""
    counts = Counter(name for item in items for name in attention.buckets(item, wrong))
    counts["all"] = len(items)
    return [
        _chip(name, label, counts[name], selection.show, selection.address(show=name))
        for name, label in STATUS_FILTERS
    ]


def state_filters(items: Sequence[Mapping[str, Any]], selection: Selection) -> list[dict[str, Any]]:
    """Return the chips that filter emulators, each with how many are in that state."""
    counts: Counter[str] = Counter()
    for item in items:
        counts.update(item["states"])
    counts[""] = sum(counts.values())
    return [
        _chip(name, label, counts[name], selection.state, selection.address(state=name))
        for name, label in STATE_FILTERS
    ]


def tags(items: Sequence[Mapping[str, Any]], selection: Selection) -> list[str]:
    """Return every tag that a workstation has, and the one from the address."""
    return sorted({tag for item in items for tag in item["tags"]} | ({selection.tag} - {""}))


def _chip(name: str, label: str, count: int, active: str, address: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "count": count,
        "active": name == active,
        "query": address,
        "hidden": name in OFTEN_EMPTY and not count and name != active,
    }
