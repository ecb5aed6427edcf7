"""What a workstation's own page shows of its system, its host check and its history. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from workstations import rows
from workstations.rows import NOTHING, status_word
from workstations.states import EmulatorState

_LEVELS = {True: "good", False: "bad", None: "unknown"}
_CHANGED = {
    "status": "Status",
    "state": "State",
    "title": "Title",
    "found": "Found",
    "gone": "Gone",
    "size": "Resolution",
    "cpu": "Processors",
    "memory": "Memory",
}


BLANK_EMULATOR: dict[str, Any] = {"id": "_", "state": EmulatorState.UNKNOWN.value}
"""What a row that is made in the browser is copied from."""


def emulator(item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return an emulator with the texts of its row."""
    return {
        **item,
        "said": rows.state_words(item["state"], item["state_since"], now),
        "size": f"{item['width']}×{item['height']}, {item['dpi']} dpi" if item["width"] else rows.NOTHING,
        "memory": f"{item['memory_mb']} MB" if item["memory_mb"] else rows.NOTHING,
    }


def figures(system: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return what is shown large: load, memory, disk, who is logged on. Dashes where it was not asked yet."""
    if not system:
        return [(name, NOTHING) for name in ("CPU", "Free memory", "Free disk", "Logged on")]
    load = system["cpu"]["load_percent"]
    disks = [f"{disk['name']} {_gigabytes(disk['free_bytes'])}" for disk in system["disks"]]
    return [
        ("CPU", NOTHING if load is None else f"{load} %"),
        ("Free memory", _gigabytes(system["memory"]["free_bytes"])),
        ("Free disk", ", ".join(disks) or NOTHING),
        ("Logged on", _people(system["sessions"])),
    ]


def facts(system: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return what a workstation said of itself, by name; empty where it was not asked yet."""
    if not system:
        return []
    cpu, memory, windows = system["cpu"], system["memory"], system["os"]
    return [
        ("Computer", system["computer"]),
        ("Windows", f"{windows['name']} {windows['version']}"),
        ("Running since", clock(windows["booted_at"])),
        ("Processor", f"{cpu['model']}, {cpu['cores']} cores, {cpu['threads']} threads"),
        ("Memory", _free_of(memory)),
        *((f"Disk {disk['name']}", _free_of(disk)) for disk in system["disks"]),
        ("Logged on", _people(system["sessions"])),
        ("Asked at", clock(system["at"])),
    ]


def check(said: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the last host check: when, how many points are amiss, each with a level."""
    if not said:
        return None
    points = [{**one, "level": _LEVELS[one["ok"]]} for one in said["findings"]]
    amiss = sum(one["ok"] is not True for one in points)
    summary = (
        f"{amiss} of {len(points)} points need a look" if amiss else f"All {len(points)} points are in order"
    )
    return {
        "at": said["at"],
        "clock": clock(said["at"]),
        "summary": summary,
        "amiss": amiss,
        "points": points,
    }


def _people(sessions: list[Mapping[str, Any]] | None) -> str:
    if sessions is None:
        return NOTHING
    return ", ".join(sorted({one["user"] for one in sessions})) or "nobody"


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB"  # by 1024, as Windows writes them


def _free_of(room: Mapping[str, Any]) -> str:
    return f"{_gigabytes(room['free_bytes'])} of {_gigabytes(room['total_bytes'])} free"


def clock(moment: str) -> str:
    """Return an ISO time in the server's time zone: ``23 Nov 12:03:11``."""
    return timezone.localtime(datetime.fromisoformat(moment)).strftime("%d %b %H:%M:%S")


def change(public: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change with its texts."""
    what, before, after = public["what"], public["before"], public["after"]
    subject = f"{public['title']} ({public['index']})" if public["index"] is not None else ""
    if what == "found":
        words = "new in its list"
    elif what == "gone":
        words = "no longer in its list"
    elif what == "status":
        words = f"{status_word(before)} → {status_word(after)}" if before else status_word(after)
    else:
        moved = f"{before} → {after}" if before else after
        words = moved if what == "state" else f"{_CHANGED.get(what, what)}: {moved}"
    return {**public, "subject": subject, "words": words, "clock": clock(public["at"])}
