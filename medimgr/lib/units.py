"""Durations, sizes and moments in the forms that people and clients read."""

from datetime import datetime


def clock(seconds: float) -> str:
    """Return a duration as ``HH:MM:SS``; hours go on past 99. Negative durations count as zero."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def megabytes(size: int) -> float:
    """Return bytes as megabytes (MiB), rounded to a tenth."""
    return round(size / (1024 * 1024), 1)


def iso(moment: datetime | None) -> str | None:
    """Return a moment in UTC as ISO 8601 with a ``Z``, None for None."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None
