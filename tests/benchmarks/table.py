"""Prints figures side by side, and how they compare with the first row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One figure: its title, its unit, and how many digits behind the point it is worth."""

    title: str
    unit: str
    digits: int = 1
    ratio: bool = True
    """Whether each row says how many times the first row's figure it is."""


def table(columns: Sequence[Column], rows: Mapping[str, Sequence[float | str | None]]) -> str:
    """Return a Markdown table. None means not measured; a text is shown as it is."""
    first = next(iter(rows.values()))
    lines = [
        "| | " + " | ".join(f"{c.title} ({c.unit})" if c.unit else c.title for c in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for name, figures in rows.items():
        cells = [_cell(c, value, base) for c, value, base in zip(columns, figures, first, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(column: Column, value: float | str | None, base: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = f"{value:,.{column.digits}f}"
    if column.ratio and isinstance(base, int | float) and base > 0 and value is not base:
        text += f" (×{value / base:.2g})" if value / base < 1000 else f" (×{value / base:,.0f})"
    return text


def median(values: Sequence[float]) -> float:
    """Return the median of ``values``."""
    return percentile(values, 50)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of ``values``."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def spread(values: Sequence[float]) -> list[float]:
    """Return the smallest, the median, the 99th percentile and the largest of ``values``."""
    return [min(values), percentile(values, 50), percentile(values, 99), max(values)]
