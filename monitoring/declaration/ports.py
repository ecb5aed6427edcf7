"""Rules for ports, of the service itself and of its copies."""

from collections.abc import Iterable, Mapping
from typing import Any

from monitoring.declaration.declared import Declared
from monitoring.declaration.values import is_port, is_whole

_MOST_COPIES = 100
_MOST_STEP = 1000


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    ports, copies, step = declared.ports, declared.instances, declared.port_step
    if not isinstance(ports, list) or not all(is_port(port) for port in ports):
        yield "ports", "Write a list of port numbers from 1 to 65535, such as [8001]."
        return
    if len(set(ports)) != len(ports):
        yield "ports", "A port is listed twice."
        return
    # Out of range is what the fields themselves complain about.
    if not ports or not _within(copies, 2, _MOST_COPIES) or not _within(step, 0, _MOST_STEP):
        return
    highest = max(ports) + (copies - 1) * step
    if highest > 65535:
        yield (
            "port_step",
            f"Copy {copies} would listen on port {highest}, and 65535 is the last one. Take a smaller step, "
            "fewer instances or lower ports.",
        )
        return
    twice = _taken_twice(ports, copies, step)
    if twice is not None:
        yield (
            "port_step",
            f"Two copies would listen on port {twice}. A step of {max(ports) - min(ports) + 1} keeps them "
            "apart.",
        )


def _within(value: Any, least: int, most: int) -> bool:
    return is_whole(value) and least <= value <= most


def _taken_twice(ports: list[int], copies: int, step: int) -> int | None:
    seen: set[int] = set()
    for number in range(copies):
        for port in ports:
            moved = port + number * step
            if moved in seen:
                return moved
            seen.add(moved)
    return None


def ports_of_copies(declared: Declared) -> dict[int, int]:
    """Return every port that the service and its further copies listen on, with the copy's number from 0.

    Empty where ports, instances or step are not what the rules ask for.
    """
    copies, step = declared.instances, declared.port_step
    if any(True for _ in faults(declared)) or not (
        _within(copies, 1, _MOST_COPIES) and _within(step, 0, _MOST_STEP)
    ):
        return {}
    return {port + number * step: number for number in range(copies) for port in declared.ports}


def shared_ports(declared: Declared, others: Mapping[str, Declared]) -> list[str]:
    """Return, in words, which of its ports other services of the node declare too.

    Not a fault: the two may be meant to run by turns. ``others``: by key, without the service itself and its
    copies.
    """
    mine = ports_of_copies(declared)
    told = []
    for key, other in others.items():
        for port in sorted(set(mine) & set(ports_of_copies(other))):
            copy = f" (of copy {mine[port] + 1})" if mine[port] else ""
            told.append(
                f"Port {port}{copy} is declared by {key} too: only one of the two can run at a time. "
                "Give one of them another port, or never start both."
            )
    return told
