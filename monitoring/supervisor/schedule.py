"""When a cron expression comes true next. Pure.

Five fields as in cron(8): minute, hour, day of the month, month, day of the week; names, lists, ranges and
steps; and L, LW and # for last and nth days. Where both kinds of day are given, either will do, as in
cron. At a change of the clocks it keeps to what Debian's cron does: what falls into the hour that is left
out is run once right after it, what falls into the hour that comes twice is run once; only where minute
or hour is given with ``*``, real time counts.
"""

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = 5
_STEPS = 2000
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_LAST = datetime(9900, 1, 1, tzinfo=UTC)


def faults(expression: str, zone: str) -> list[str]:
    """Return what is wrong with an expression and a time zone (empty: UTC), in words that name the mend."""
    found = []
    try:
        if next_time(expression, "", _ANY_DAY) is None:
            found.append(f"The schedule {expression!r} never comes true: there is no such day.")
    except ValueError as error:
        found.append(str(error))
    try:
        _zone(zone)
    except ValueError as error:
        found.append(str(error))
    return found


def next_time(expression: str, zone: str, after: datetime) -> datetime | None:
    """Return the first time after ``after`` (aware), in UTC and never equal to it; None where there is none.

    ``zone`` is a name such as Europe/Berlin; empty means UTC. Raises ValueError, in words, for an expression
    or a zone that makes no sense.
    """
    fields = _fields(expression)
    place = _zone(zone)
    if after >= _LAST:
        return None
    try:
        times = CronSim(" ".join(fields), after.astimezone(place))
    except CronSimError as error:
        raise ValueError(_words(expression, str(error))) from None
    # In the hour that comes twice the first answers may lie before ``after``; a few steps lead out of it.
    for found in islice(times, _STEPS):
        local = found.replace(tzinfo=place) if found.tzinfo is None else found
        there = local.astimezone(UTC)
        left_out = there.astimezone(place).replace(tzinfo=None) != local.replace(tzinfo=None)
        if there > after and not left_out:
            return there
    return None


def _fields(expression: str) -> list[str]:
    words = _NAMED.get(expression.strip().lower(), expression).split()
    if expression.strip().lower() == "@reboot":
        raise ValueError("@reboot is no time. Leave the schedule empty and let autostart start it.")
    if len(words) != _FIELDS:
        raise ValueError(
            f"The schedule {expression!r} has {len(words)} fields instead of five: minute, hour, day of the "
            "month, month, day of the week. An example: 30 2 * * 1-5."
        )
    return words


def _words(expression: str, error: str) -> str:
    part = error.removeprefix("Bad ")
    return (
        f"In the schedule {expression!r} the {part} makes no sense. An example of a schedule: 30 2 * * 1-5."
    )


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError(
            f"There is no time zone {name!r}. Write one such as Europe/Berlin, or none for UTC."
        ) from None
