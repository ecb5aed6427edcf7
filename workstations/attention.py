"""Which workstations need somebody, and the sentence that says so. Pure.

Takes the items of a snapshot (:mod:`workstations.rows`). ``static/medimgr/workstationattention.js`` says
the same in the browser; a test feeds both the same cases.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workstations.states import EmulatorState, Reachability

Item = Mapping[str, Any]
Level = Literal["empty", "good", "changing", "attention"]

NAMED_AT_MOST = 3
_ERROR_WORDS = {
    "workstation-authentication": "does not accept the log-in",
    "workstation-password-missing": "has no password to log in with",
    "workstation-tls": "has no certificate that is trusted",
    "workstation-quota": "allows no more shells",
    "workstation-protocol": "does not answer as WinRM does",
    "workstation-unknown-host": "has a host name that is not known",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What stands on top of the page, and how it looks."""

    level: Level
    text: str


def troubles(items: Sequence[Item]) -> dict[int, str]:
    """Return what is wrong, by the id of the workstation, in words that follow its name."""
    return {item["id"]: words for item in items if (words := _trouble(item))}


def _trouble(item: Item) -> str:
    if item["status"] == Reachability.OFFLINE:
        return "is offline"
    if item["status"] == Reachability.ERROR:
        return _ERROR_WORDS.get(item["error_code"], "can't be worked with")
    zombies = item["states"].get(EmulatorState.ZOMBIE, 0)
    if zombies:
        return "has a zombie emulator" if zombies == 1 else f"has {zombies} zombie emulators"
    return ""


def buckets(item: Item, wrong: Collection[int]) -> frozenset[str]:
    """Return the filters that show the workstation."""
    found = {item["status"]}
    if item["id"] in wrong:
        found.add("attention")
    return frozenset(found)


def rollup(states: Mapping[str, int]) -> str:
    """Return how the emulators of a workstation do: ``12/20 running, 1 starting``; empty for none."""
    total = sum(states.values())
    if not total:
        return ""
    said = [f"{states.get(EmulatorState.RUNNING, 0)}/{total} running"]
    for state in (EmulatorState.STARTING, EmulatorState.ZOMBIE, EmulatorState.UNKNOWN):
        if states.get(state):
            said.append(f"{states[state]} {state.value}")
    return ", ".join(said)


def sentence(items: Sequence[Item]) -> Sentence:
    """Return the sentence for what a snapshot shows."""
    if not items:
        return Sentence("empty", "No workstations declared yet: add one, or import a fleet.")
    wrong = troubles(items)
    emulators = _emulators(items)
    total = len(items)
    noun = "workstation" if total == 1 else "workstations"
    if wrong:
        named = [f"{item['name']} {wrong[item['id']]}" for item in items if item["id"] in wrong]
        more = len(named) - NAMED_AT_MOST
        told = named[:NAMED_AT_MOST] + ([f"and {more} more"] if more > 0 else [])
        verb = "needs" if len(wrong) == 1 else "need"
        text = f"{len(wrong)} of {total} {noun} {verb} attention: {', '.join(told)}."
        return Sentence("attention", f"{text} {emulators[0].upper()}{emulators[1:]}." if emulators else text)
    online = sum(item["status"] == Reachability.ONLINE for item in items)
    starting = sum(item["states"].get(EmulatorState.STARTING, 0) for item in items)
    if online == total:
        text = f"All {total} workstations are online" if total > 1 else "The one workstation is online"
    else:
        unseen = total - online
        text = f"{online} of {total} {noun} {'is' if online == 1 else 'are'} online, "
        text += f"{unseen} {'has' if unseen == 1 else 'have'} not been looked at yet"
    level: Level = "changing" if starting or online < total else "good"
    return Sentence(level, f"{text}; {emulators}." if emulators else f"{text}.")


def _emulators(items: Sequence[Item]) -> str:
    total = sum(sum(item["states"].values()) for item in items)
    running = sum(item["states"].get(EmulatorState.RUNNING, 0) for item in items)
    if not total:
        return ""
    if running == total:
        return f"all {total} emulators run" if total > 1 else "the one emulator runs"
    noun, verb = "emulator" if total == 1 else "emulators", "runs" if running == 1 else "run"
    return f"{running} of {total} {noun} {verb}"
