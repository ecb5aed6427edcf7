"""Limits of a unit: those of the system (``LimitNOFILE=``), of memory, and of a run's age."""

from collections.abc import Callable
from functools import partial

from monitoring.declaration.program import LIMIT_NAMES, UNLIMITED
from monitoring.importers.drafts import Draft
from monitoring.importers.systemd_lines import Setting
from monitoring.importers.systemd_settings import Settings
from monitoring.importers.systemd_text import INFINITE, integer, seconds, size

Amount = int | str

_SIZES = frozenset(["fsize", "data", "stack", "core", "rss", "as", "memlock", "msgqueue"])
_MOST = 2**62
_MB = 1024 * 1024
_MOST_MB = 16 * 1024 * 1024
_LONGEST_AGE = 366 * 86_400.0


def name_of(setting: str) -> str:
    """Return the limit's name here, empty where this system has none such. Pure."""
    name = setting.removeprefix("Limit").lower()
    return name if name in LIMIT_NAMES else ""


def read(name: str, text: str) -> Amount | list[Amount]:
    """Return one limit, or soft and hard. Raises BadValue."""
    soft, colon, hard = text.partition(":")
    parse = _parser(name)
    pair = [parse(soft.strip()), parse(hard.strip() if colon else soft.strip())]
    return pair[0] if pair[0] == pair[1] else pair


def apply(settings: Settings, draft: Draft) -> None:
    """Read the limits of the system, and those at which a process is replaced."""
    limits: dict[str, Amount | list[Amount]] = {}
    for setting in [s for s in settings.left if s.name.startswith("Limit")]:
        name = name_of(setting.name)
        if name and setting.value:
            limit = settings.attempt(setting, partial(_limit, name), None)
            if limit is not None:
                limits[name] = limit
                draft.put("rlimits", limits, setting.place)
        elif name:
            limits.pop(name, None)
        else:
            settings.document.remark(setting.place, "This system has no such limit.")
        settings.left.remove(setting)
    age = settings.span("RuntimeMaxSec", default=INFINITE)
    if age < INFINITE:
        place = settings.place("RuntimeMaxSec")
        draft.put("max_age_seconds", min(age, _LONGEST_AGE), place)
        message = "A new process takes its place then; systemd would call it failed."
        settings.document.remark(place, message, mapped=True)
    _memory(settings, draft)


def _memory(settings: Settings, draft: Draft) -> None:
    for name in ("MemoryMax", "MemoryLimit", "MemoryHigh"):
        setting = settings.last(name)
        if setting is None:
            continue
        if setting.value.endswith("%") or "max_memory_mb" in draft.fields:
            message = "It is not taken over: one limit in bytes is. Write max_memory_mb."
            settings.document.remark(setting.place, message)
            continue
        amount = settings.attempt(setting, lambda s: size(s.value), None)
        if amount is not None:
            draft.put("max_memory_mb", max(1, min(-(-amount // _MB), _MOST_MB)), setting.place)
            message = "The process tree is replaced when it uses more; the kernel does not enforce it."
            settings.document.remark(setting.place, message, mapped=True)


def _limit(name: str, setting: Setting) -> Amount | list[Amount]:
    return read(name, setting.value)


def _parser(name: str) -> Callable[[str], Amount]:
    if name in _SIZES:
        return _size
    if name == "cpu":
        return lambda text: _time(text, 1.0)
    if name == "rttime":
        return lambda text: _time(text, 1e-6)
    if name == "nice":
        return _nice
    return lambda text: UNLIMITED if text == "infinity" else integer(text, 0, _MOST)


def _size(text: str) -> Amount:
    found = size(text)
    return UNLIMITED if found is None else min(found, _MOST)


def _time(text: str, unit: float) -> Amount:
    # A number alone is in the limit's own unit.
    if text.isascii() and text.isdigit():
        return integer(text, 0, _MOST)
    found = seconds(text)
    return UNLIMITED if found == INFINITE else int(found / unit)


def _nice(text: str) -> Amount:
    """A limit of 20 - n allows a nice value of n, which is how a sign makes it read."""
    if text[:1] in "+-" and text:
        return 20 - integer(text, -20, 19)
    if text == "infinity":
        return UNLIMITED
    value: int = integer(text, 0, 40)
    return value
