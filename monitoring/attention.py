"""Whether anything needs an operator, in one sentence.

Pure functions of a snapshot's items and nodes. ``static/medimgr/attention.js`` is the twin that keeps
the sentence true while events come in; a test feeds both the same cases.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitoring.states import Health, Intent, Reason, State

Item = Mapping[str, Any]
Level = Literal["good", "changing", "attention", "stale", "empty"]
Bucket = Literal["running", "stopped", "changing", "attention", "scheduled"]

NAMED_AT_MOST = 3
"""So many services are named in the sentence; the rest is a number."""

_FAILED_WORDS: dict[str, str] = {
    Reason.CRASH: "ended unexpectedly",
    Reason.START_TIMEOUT: "did not become ready in time",
    Reason.UNHEALTHY: "failed its health checks",
    Reason.HUNG: "stopped answering",
    Reason.MEMORY: "used more memory than allowed",
    Reason.CPU: "used more CPU than allowed",
    Reason.HOOK_FAILED: "cannot start while the command before its start fails",
    Reason.FATAL_EXIT: "ended with an exit code that allows no restart",
    Reason.SPAWN_ERROR: "could not be started",
    Reason.PORT_BUSY: "cannot start while its port is taken",
    Reason.AUTO_RECOVERY_OFF: "failed too often",
}
_ENDED_AS_WANTED = frozenset(
    {Reason.NONE, Reason.COMPLETED, Reason.OPERATOR, Reason.SHUTDOWN, Reason.SCHEDULE}
)
_WILL_NOT_COME = frozenset({State.STOPPED, State.EXITED, State.FATAL, State.BACKOFF, State.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Sentence:
    """The sentence and how serious it is."""

    level: Level
    text: str


def troubles(items: Sequence[Item]) -> dict[str, str]:
    """Return what is wrong by service key, in words that follow the service's name. Pure.

    Services that merely wait for a service which is not coming are in it too.
    """
    found = {item["key"]: words for item in items if (words := _own_trouble(item))}
    by_key = {item["key"]: item for item in items}
    grew = True
    while grew:  # a waits for b, b waits for c: one round per link of the chain
        grew = False
        for item in items:
            if item["state"] != State.WAITING or item["key"] in found:
                continue
            needed = _blocker(item, by_key, found)
            if needed is not None:
                found[item["key"]] = f"waits for {needed['name']}"
                grew = True
    return found


def bucket(item: Item, wrong: Mapping[str, str]) -> frozenset[Bucket]:
    """Return the filters that show the service. An unhealthy one is both running and in need of attention."""
    found: set[Bucket] = set()
    if item["key"] in wrong:
        found.add("attention")
    if item["state"] == State.RUNNING:
        found.add("running")
    elif rests(item):
        found.add("scheduled")
    elif item["state"] in {State.STOPPED, State.EXITED}:
        found.add("stopped")
    elif item["state"] in {State.STARTING, State.STOPPING, State.WAITING}:
        found.add("changing")
    return frozenset(found)


def rests(item: Item) -> bool:
    """Return whether a service that runs at set times is between two runs."""
    return bool(item.get("schedule")) and item["state"] == State.EXITED and item["intent"] == Intent.UP


def flaps(item: Item) -> bool:
    """Return whether a service that is wanted keeps failing without a stable run in between."""
    return bool(item.get("flapping")) and item["intent"] == Intent.UP


def failing(item: Item) -> str:
    """Return how often a service that flaps has been restarted, in words that follow its name."""
    count = item.get("restarts", 0)
    return f"keeps failing ({count} {'restart' if count == 1 else 'restarts'})"


def sentence(items: Sequence[Item], nodes: Sequence[Item], clock: Callable[[str], str]) -> Sentence:
    """Return the sentence for what a snapshot shows. Pure.

    ``clock`` turns an ISO time into the hours and minutes that its reader lives by.
    """
    if not items:
        return Sentence("empty", "No services declared yet: import or add some.")
    used = {item["node"] for item in items}
    silent = [node for node in nodes if not node["supervised"] and node["name"] in used]
    silent_names = {node["name"] for node in silent}
    told = [item for item in items if item["node"] not in silent_names]
    told_keys = {item["key"] for item in told}
    wrong = {key: words for key, words in troubles(items).items() if key in told_keys}
    parts = [_silence(node, clock) for node in silent]
    if wrong:
        parts.append(_needing(told, wrong, "other " if silent else ""))
    parts += [f"Node {n['name']}: {n['problem']}." for n in nodes if n["problem"] and n["supervised"]]
    if parts:
        return Sentence("stale" if silent else "attention", " ".join(parts))
    return _calm(items)


def _own_trouble(item: Item) -> str:
    state, reason = item["state"], item["reason"]
    if state == State.FATAL:
        return _FAILED_WORDS.get(reason, "failed to start")
    if state == State.BACKOFF and flaps(item):
        return f"{failing(item)} and is tried again"
    if state == State.BACKOFF:
        return f"{_FAILED_WORDS.get(reason, 'failed to start')} and is tried again"
    if state == State.UNKNOWN:
        return "is not reported on"
    if state == State.EXITED and item["intent"] == Intent.UP and reason not in _ENDED_AS_WANTED:
        return "failed at its last run" if rests(item) else _FAILED_WORDS.get(reason, "ended unexpectedly")
    if flaps(item) and state in {State.STARTING, State.RUNNING}:
        return failing(item)
    if state == State.RUNNING and item["health"] == Health.UNHEALTHY:
        return "is unhealthy"
    return ""


def _blocker(item: Item, by_key: Mapping[str, Item], found: Mapping[str, str]) -> Item | None:
    needed = [by_key[key] for key in item["needs"] if key in by_key]
    # One that is in trouble explains more than one that somebody has stopped.
    return next(
        (other for other in needed if other["key"] in found),
        next((other for other in needed if other["state"] in _WILL_NOT_COME and not rests(other)), None),
    )


def _silence(node: Item, clock: Callable[[str], str]) -> str:
    if not node["heartbeat_at"]:
        return f"No supervisor has reported for node {node['name']} yet: nothing runs there until one does."
    since = clock(node["heartbeat_at"])
    return f"No supervisor reports for node {node['name']} since {since}: what you see may be old."


def _needing(told: Sequence[Item], wrong: Mapping[str, str], other: str) -> str:
    named = _cause_first([item for item in told if item["key"] in wrong])
    clauses: list[str] = []
    cause = ""
    for item in named[:NAMED_AT_MOST]:
        words = wrong[item["key"]]
        clauses.append(f"{item['name']} {'waits for it' if words == f'waits for {cause}' else words}")
        if item["state"] != State.WAITING:
            cause = item["name"]
    more = len(named) - NAMED_AT_MOST
    if more > 0:
        clauses.append(f"and {more} more")
    noun = "service" if len(told) == 1 else "services"
    verb = "needs" if len(named) == 1 else "need"
    return f"{len(named)} of {len(told)} {other}{noun} {verb} attention: {', '.join(clauses)}."


def _cause_first(named: Sequence[Item]) -> list[Item]:
    """Put what merely waits behind what it waits for, so that the cause is read first."""
    causes = [item for item in named if item["state"] != State.WAITING]
    waiting = [item for item in named if item["state"] == State.WAITING]
    ordered: list[Item] = []
    for cause in causes:
        ordered.append(cause)
        ordered += [item for item in waiting if cause["key"] in item["needs"] and item not in ordered]
    return ordered + [item for item in waiting if item not in ordered]


def _calm(items: Sequence[Item]) -> Sentence:
    total = len(items)
    kinds = [bucket(item, {}) for item in items]
    running, stopped, changing, scheduled = (
        sum(name in k for k in kinds) for name in ("running", "stopped", "changing", "scheduled")
    )
    level: Level = "changing" if changing else "good"
    for count, word in ((running, "running"), (stopped, "stopped")):
        if count == total:
            return Sentence(
                level, f"All {total} services are {word}." if total > 1 else f"The one service is {word}."
            )
    if scheduled == total:
        waiting = (
            f"All {total} services wait for their next run."
            if total > 1
            else "The one service waits for its next run."
        )
        return Sentence(level, waiting)
    said = [f"{running} of {total} services {_are(running)} running"]
    if stopped:
        said.append(f"{stopped} {_are(stopped)} stopped")
    if scheduled:
        said.append(
            f"{scheduled} {'waits for its next run' if scheduled == 1 else 'wait for their next run'}"
        )
    if changing:
        said.append(f"{changing} {_are(changing)} starting or stopping")
    return Sentence(level, ", ".join(said) + ".")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
