"""How well the streams do, from what the web workers have counted. Pure."""

from collections.abc import Mapping
from typing import Any

from medimgr.events.exceptions import DatabaseAway, ShuttingDown, TooManyStreams
from medimgr.events.histogram import Histogram, added_up
from medimgr.events.subscription import End

OUR_REFUSALS = (TooManyStreams.code, DatabaseAway.code, ShuttingDown.code)
"""Who is refused for these has done nothing wrong: the others lack a login, a permission or a topic."""
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def durations(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the quantiles of a stored histogram in milliseconds, None where nothing was counted."""
    histogram: Histogram = added_up([stored])
    count = histogram.count
    found: dict[str, Any] = {
        name: _milliseconds(histogram.quantile(share)) for name, share in _SHARES.items()
    }
    return {
        **found,
        "mean": _milliseconds(histogram.seconds / count) if count else None,
        "count": count,
    }


def errors(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many streams failed, and the share of those that were asked for.

    Failed are streams that were refused for a reason of ours, and those that could not be written to.
    """
    refused: Mapping[str, int] = counted.get("refused", {})
    ours = sum(refused.get(code, 0) for code in OUR_REFUSALS)
    write_errors = counted.get("ended", {}).get(End.WRITE_FAILED.value, 0)
    asked = counted.get("opened", 0) + ours
    return {
        "opened": counted.get("opened", 0),
        "refused": sum(refused.values()),
        "refused_by_reason": dict(refused),
        "write_errors": write_errors,
        "error_percent": round(100 * min(1.0, (ours + write_errors) / asked), 2) if asked else 0.0,
    }


def compression(counted: Mapping[str, Any]) -> dict[str, Any]:
    """Return bytes before and after compression, and the share that it saved."""
    sent = counted.get("bytes_wire", 0)
    plain = sent + counted.get("bytes_saved", 0)
    return {
        "bytes_plain": plain,
        "bytes_sent": sent,
        "saved_percent": round(100 * (plain - sent) / plain, 1) if plain else 0.0,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
