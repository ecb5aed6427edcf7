"""The dates above a list, told from its first and its last entry: reading all takes too long. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

Parts = tuple[int, ...]
"""A year, a month of it, a day of that: as many of them as somebody has chosen."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days that a choice stands for."""

    first: date
    after: date

    @property
    def begin(self) -> datetime:
        """Return its first moment, without a time zone."""
        return datetime.combine(self.first, time.min)

    @property
    def end(self) -> datetime:
        """Return the first moment after it, without a time zone."""
        return datetime.combine(self.after, time.min)


def span_of(parts: Parts) -> Span | None:
    """Return the days of a choice; None for none, or for what is no date."""
    if not parts:
        return None
    try:
        first = date(*(*parts, 1, 1)[:3])
        return Span(first, _next(first, len(parts)))
    except (ValueError, OverflowError):
        return None


def choices_in(parts: Parts, first: date, last: date) -> Iterator[Parts]:
    """Yield the finer choices within ``parts``, from the ``first`` to the ``last`` day that has anything."""
    if len(parts) > 2:
        return
    span = span_of(parts)
    begin = max(first, span.first) if span else first
    until = min(last, span.after - timedelta(days=1)) if span else last
    length = len(parts) + 1
    day = date(*(*(begin.year, begin.month, begin.day)[:length], 1, 1)[:3])
    while day <= until:
        yield (day.year, day.month, day.day)[:length]
        day = _next(day, length)


def _next(day: date, length: int) -> date:
    if length == 1:
        return date(day.year + 1, 1, 1)
    if length == 2:
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=1)
