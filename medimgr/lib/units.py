"""Durations and sizes in the forms that people and clients read."""


def clock(seconds: float) -> str:
    """Return a duration as ``HH:MM:SS``; hours go on past 99. Negative durations count as zero."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def megabytes(size: int) -> float:
    """Return bytes as megabytes (MiB), rounded to a tenth."""
    return round(size / (1024 * 1024), 1)
