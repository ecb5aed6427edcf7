"""Durations, sizes and moments in the forms that people and clients read."""

from datetime import datetime


def clock(seconds: float) -> str:
    """Return a duration as ``HH:MM:SS``; hours go on past 99. Negative durations count as zero."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def age(seconds: float) -> str:
    """Return a duration in two units at most: ``4 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def megabytes(size: int) -> float:
    """Return bytes as megabytes (MiB), rounded to a tenth."""
    return round(size / (1024 * 1024), 1)


def iso(moment: datetime | None) -> str | None:
    """Return a moment in UTC as ISO 8601 with a ``Z``, None for None."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
