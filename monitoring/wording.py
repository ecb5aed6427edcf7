"""Figures and states in the words that the pages show. Pure; ``static/medimgr/words.js`` says them live."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from medimgr.lib.units import age as age
from monitoring.attention import flaps, rests
from monitoring.states import LIVE, REASON_WORDS, Reason, State

NOTHING = "–"
_FLAPPING = frozenset({State.BACKOFF, State.STARTING, State.RUNNING})


def duration(seconds: float) -> str:
    """Return a declared duration without loss where it is short: ``0.5 s``, ``90 s``, ``10 min``, ``1 d``."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:.10g} s"


def age_of(moment: str | None, now: datetime) -> str:
    """Return how long ago an ISO time was at ``now``; a dash for None."""
    if not moment:
        return NOTHING
    return age((now - datetime.fromisoformat(moment)).total_seconds())


def percent(value: float | None) -> str:
    """Return CPU use: one decimal below ten, none above; a dash for None."""
    if value is None:
        return NOTHING
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"


def memory(megabytes: float | None) -> str:
    """Return memory in MB or GB; a dash for None."""
    if megabytes is None:
        return NOTHING
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 999.5 else f"{megabytes:.0f} MB"


def state_word(state: str) -> str:
    """Return a state as a word in a sentence: ``Running``."""
    return state.capitalize()


def reason_words(reason: str, detail: str = "") -> str:
    """Return why a service is where it is: the detail where there is one, else the reason in words."""
    if detail:
        return detail
    try:
        return REASON_WORDS[Reason(reason)]
    except ValueError:
        return reason


def local_clock(moment: str) -> str:
    """Return the hours and minutes of an ISO time in the server's time zone."""
    return timezone.localtime(datetime.fromisoformat(moment)).strftime("%H:%M")


def next_run(moment: str | None, now: datetime) -> str:
    """Return when a service runs next: ``next in 3 h, at 02:30``; with its day where that is not today."""
    if not moment:
        return "runs by its schedule"
    at = datetime.fromisoformat(moment)
    seconds = (at - now).total_seconds()
    if seconds <= 0:
        return "is due now"
    local = timezone.localtime(at)
    day = "" if local.date() == timezone.localtime(now).date() else f"on {local:%d %b} "
    return f"next in {age(seconds)}, {day}at {local:%H:%M}"


def explanation(item: Mapping[str, Any], trouble: str, now: datetime) -> str:
    """Return the line under a state: why it is so, where the state alone does not say it."""
    why = _why(item, trouble)
    if rests(item):
        coming = next_run(item["next_run_at"], now)
        return f"{why}; {coming}" if trouble and why else coming
    if flaps(item) and item["state"] in _FLAPPING:
        count = item["restarts"]
        often = f"keeps failing: {count} {'restart' if count == 1 else 'restarts'}"
        return f"{often}; {why}" if why and item["state"] == State.BACKOFF else often
    return why


def _why(item: Mapping[str, Any], trouble: str) -> str:
    if trouble or item["state"] in {State.WAITING, State.BACKOFF, State.FATAL, State.EXITED}:
        if item["state"] == State.UNKNOWN and item.get("last_state"):
            return f"last seen {item['last_state'].lower()}"
        if item["state"] == State.RUNNING:  # its reason says why it was started
            return item["detail"] or REASON_WORDS[Reason.UNHEALTHY]
        return reason_words(item["reason"], item["detail"])
    if item["needs_restart"] and item["state"] in LIVE:
        return "restart to apply its new settings"
    if not item["auto_recovery"]:
        return "auto-recovery is off"
    if item["schedule"] and item["state"] == State.STOPPED:
        return "stopped: its schedule is off"
    return ""


def rollup(running: int, total: int, resting: int) -> str:
    """Return how many of a group run; those that wait for their next run are not missing."""
    parts = [f"{running}/{total - resting} running"] if total > resting else []
    return ", ".join([*parts, *([f"{resting} scheduled"] if resting else [])])


def why(item: Mapping[str, Any], trouble: str, now: datetime) -> str:
    """Return why a service is where it is, as its own page says it beside its state."""
    if flaps(item) or rests(item):
        return explanation(item, trouble, now)
    return reason_words(item["reason"], item["detail"])


def copies(running: int, total: int) -> str:
    """Return what the first of several copies says about all of them."""
    return f"{running}/{total} copies running"


def row(item: Mapping[str, Any], trouble: str, now: datetime) -> dict[str, str]:
    """Return the texts of a service's row. ``trouble`` is what attention.troubles says about it."""
    return {
        "state": state_word(item["state"]),
        "explanation": explanation(item, trouble, now),
        "health": item["health"] if item["health"] != "unknown" else NOTHING,
        "since": age_of(item["since"], now),
        "cpu": percent(item["cpu_percent"]),
        "memory": memory(item["memory_mb"]),
        "ports": ", ".join(str(port) for port in item["ports"]) or NOTHING,
        "pid": str(item["pid"] or NOTHING),
        "uptime": age_of(item["process_started_at"] if item["pid"] else None, now),
        "why": why(item, trouble, now),
        "next_run": next_run(item["next_run_at"], now) if item["next_run_at"] else "no next run is planned",
    }


def change(transition: Mapping[str, Any], requester: str) -> dict[str, Any]:
    """Return a transition with its texts: what, why and who asked, when."""
    why = reason_words(transition["reason"], transition["detail"])
    if requester:
        why = f"{why} ({requester})" if why else f"asked for by {requester}"
    return {
        **transition,
        "words": state_word(transition["to"]),
        "why": why,
        "clock": timezone.localtime(datetime.fromisoformat(transition["at"])).strftime("%d %b %H:%M:%S"),
    }


def run_end(code: int | None, signal: str, reason: str) -> str:
    """Return how a run ended: exit status or signal, and why."""
    how = f"by {signal}" if signal else f"exit code {code}" if code is not None else "exit status not known"
    why = reason_words(reason)
    return f"{how}, {why}" if why else how
