"""Bounds on figures, and the table that says which are reached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One figure by the name under which it was found, and its bound."""

    figure: str
    title: str
    unit: str
    bound: float
    least: bool = False
    """The bound is a lower one."""

    def reached(self, value: float) -> bool:
        """Return whether ``value`` is within the bound."""
        return value >= self.bound if self.least else value <= self.bound


def reached_table(figures: Mapping[str, float], targets: Iterable[Target]) -> str:
    """Return a Markdown table of what was found; empty where no figure has a target."""
    lines = []
    for target in targets:
        value = figures.get(target.figure)
        if value is not None:
            word = "at least" if target.least else "at most"
            cells = [target.title, f"{word} {_written(target.bound)} {target.unit}".strip(), _written(value)]
            lines.append(f"| {' | '.join(cells)} | {'yes' if target.reached(value) else '**no**'} |")
    head = ["| figure | to reach | found | reached |", "| --- | --- | ---: | --- |"]
    return "\n".join([*head, *lines]) if lines else ""


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else f"{value:.3g}"
