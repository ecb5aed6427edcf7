"""Turns systemd's calendar events (systemd.time(7)) into cron expressions, where there is one. Pure."""

import re
from dataclasses import dataclass
from zoneinfo import available_timezones

_WORDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DATE = re.compile(r"(?:(?P<year>[^-\s]+)-)?(?P<month>[^-\s]+)-(?P<day>[^-\s]+)")
_TIME = re.compile(r"(?P<hour>[^:\s]+):(?P<minute>[^:\s]+)(?::(?P<second>[^:\s]+))?")
_PART = re.compile(r"(?P<first>\*|\d{1,2})(?:\.\.(?P<last>\d{1,2}))?(?:/(?P<step>\d{1,2}))?")


class NoCron(ValueError):
    """There is no cron expression for it; the message says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression and its time zone; empty for the machine's own."""

    expression: str
    zone: str


def to_cron(text: str) -> Schedule:
    """Return the schedule of a calendar event. Raises NoCron."""
    words = _WORDS.get(text.strip().lower(), text).split()
    zone = ""
    if words and (words[-1] == "UTC" or (len(words) > 1 and words[-1] in available_timezones())):
        zone = words.pop()
    if len(words) == 1 and words[0].lower() in _WORDS:
        words = _WORDS[words[0].lower()].split()
    days = "*"
    if words and words[0][:1].isalpha():
        days = _weekdays(words.pop(0))
    date = _DATE.fullmatch(words.pop(0)) if words and "-" in words[0] and ":" not in words[0] else None
    time = _TIME.fullmatch(words.pop(0)) if words else None
    if words or (date is None and time is None and days == "*"):
        raise NoCron("it is written in another way than Mon..Fri *-*-* 02:30:00")
    month, day = (date["month"], date["day"]) if date else ("*", "*")
    if date and (date["year"] or "*") != "*":
        raise NoCron("cron knows no years")
    second = time["second"] if time else None
    if second is not None and not re.fullmatch(r"0{1,2}", second):
        raise NoCron("cron knows no seconds")
    fields = [
        _field(time["minute"] if time else "0", 0, 59),
        _field(time["hour"] if time else "0", 0, 23),
        _field(day, 1, 31),
        _field(month, 1, 12),
        days,
    ]
    if fields[2] != "*" and days != "*":
        raise NoCron("cron runs on the day of the month or of the week, not where both meet")
    return Schedule(" ".join(fields), zone)


def _weekdays(text: str) -> str:
    numbers: list[int] = []
    for part in text.rstrip(",").split(","):
        first, _, last = part.replace("-", "..").partition("..")
        begin, end = _weekday(first), _weekday(last or first)
        numbers += [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]
    found = sorted({(number + 1) % 7 for number in numbers})
    if len(found) == 7:
        return "*"
    if len(found) > 2 and found == list(range(found[0], found[-1] + 1)):
        return f"{found[0]}-{found[-1]}"
    return ",".join(map(str, found))


def _weekday(text: str) -> int:
    name = text.strip().lower()
    for number, day in enumerate(_DAYS):
        if name in (day, day[:3]):
            return number
    raise NoCron(f"{text[:20]!r} is no day of the week")


def _field(text: str, least: int, most: int) -> str:
    parts = [_part(part, least, most) for part in text.split(",")]
    return "*" if "*" in parts else ",".join(parts)


def _part(text: str, least: int, most: int) -> str:
    found = _PART.fullmatch(text)
    if found is None:
        raise NoCron(f"{text[:20]!r} has no counterpart")
    step = int(found["step"] or 0)
    if found["first"] == "*":
        if found["last"]:
            raise NoCron(f"{text[:20]!r} has no counterpart")
        return f"*/{step}" if step > 1 else "*"
    first = int(found["first"])
    last = int(found["last"]) if found["last"] else None
    if not least <= first <= (last if last is not None else most) or (last or 0) > most:
        raise NoCron(f"{text[:20]!r} is out of its range")
    if last is None and not step:
        return str(first)
    if last is None and step and first == least:
        return f"*/{step}" if step > 1 else "*"
    end = most if last is None else last
    return f"{first}-{end}/{step}" if step > 1 else f"{first}-{end}"
