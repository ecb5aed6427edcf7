"""What an import changes, in words: old → new, restart needed or not. Values of variables are masked."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medimgr.lib.redact import MASK, looks_secret
from monitoring.importers.differences import Difference
from monitoring.importers.saving import Change

RESTART_NEEDED = "restart needed"
APPLIES_LIVE = "applies live"
_LONGEST = 70
_NOTHING = "nothing"


def fields(change: Change) -> list[dict[str, Any]]:
    """Return the differences as ``field``, ``old``, ``new``, ``restart``; variables and limits one by one.

    Values are texts to show: JSON, shortened; None where there was or will be nothing. Pure.
    """
    return [row for name, difference in change.fields.items() for row in _rows(name, difference)]


def lines(change: Change) -> list[str]:
    """Return the differences as lines for a terminal. Pure."""
    return [
        f"{row['field']}: {row['old'] or _NOTHING} → {row['new'] or _NOTHING}  ({effect(row['restart'])})"
        for row in fields(change)
    ]


def effect(restart: bool) -> str:
    """Return in words what a difference asks for. Pure."""
    return RESTART_NEEDED if restart else APPLIES_LIVE


def summary(changes: Sequence[Change], *, dry_run: bool) -> str:
    """Return one sentence that counts what was, or would be, done. Pure."""
    counts = [
        f"{count} {'would be ' * dry_run}{what}" if what != "unchanged" else f"{count} {what}"
        for what in ("created", "changed", "unchanged")
        if (count := sum(change.what == what for change in changes))
    ]
    return f"{len(changes)} service{'s' * (len(changes) != 1)}: {', '.join(counts) or 'nothing to do'}."


def _rows(name: str, difference: Difference) -> Iterable[dict[str, Any]]:
    old, new = difference.old, difference.new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in old or key not in new or str(old[key]) != str(new[key]):
                yield {
                    "field": f"{name}.{key}",
                    "old": _variable(name, old, key),
                    "new": _variable(name, new, key),
                    "restart": difference.restart,
                }
    else:
        yield {"field": name, "old": _shown(old), "new": _shown(new), "restart": difference.restart}


def _variable(name: str, table: Mapping[str, Any], key: str) -> str | None:
    if key not in table:
        return None
    return MASK if name == "env" else _shown(table[key])


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = json.dumps(_without_secrets(value), ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _without_secrets(value: Any) -> Any:
    """Mask passwords in URLs, and what follows or is joined to an option such as ``--token``."""
    if isinstance(value, list):
        before = ["", *(item if isinstance(item, str) else "" for item in value)]
        return [
            MASK
            if option.startswith("-") and "=" not in option and looks_secret(_name(option))
            else _without_secrets(item)
            for option, item in zip(before, value, strict=False)
        ]
    if isinstance(value, str):
        option, equals, _ = value.partition("=")
        if equals and looks_secret(_name(option)):
            return f"{option}={MASK}"
        return MASK if looks_secret("", value) else value
    return value


def _name(option: str) -> str:
    return option.lstrip("-").replace("-", "_")
