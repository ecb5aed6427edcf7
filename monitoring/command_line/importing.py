"""``services import`` and ``services export``: what changes, in words, and files written with care."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medimgr.lib.problems import Problem
from medimgr.lib.redact import MASK, looks_secret
from monitoring.importers.toml import Change
from monitoring.models import Service

_LONGEST = 70
_NOTHING = "nothing"


class FileInTheWay(Problem):
    """The file cannot be written."""

    code = "file-in-the-way"
    status = 409


def told(changes: Sequence[Change], *, dry_run: bool) -> list[str]:
    """Return the lines that say what an import does, values that look like secrets masked. Pure."""
    lines = []
    width = max(len(change.key) for change in changes)
    for change in changes:
        lines.append(f"{change.key.ljust(width)}  {change.what}")
        if change.what == "changed":
            lines += [f"    {line}" for name, pair in change.fields.items() for line in _field(name, *pair)]
    counts = [
        f"{count} {'would be ' * dry_run}{what}" if what != "unchanged" else f"{count} {what}"
        for what in ("created", "changed", "unchanged")
        if (count := sum(change.what == what for change in changes))
    ]
    lines.append(f"{len(changes)} service{'s' * (len(changes) != 1)}: {', '.join(counts)}.")
    if dry_run:
        lines.append("This was a dry run: nothing was written.")
    return lines


def left_alone(changes: Iterable[Change], node: str) -> list[str]:
    """Return the services of the node that the file does not name, in words; empty for none. One query."""
    named = {change.key for change in changes}
    keys = Service.objects.on(node).filter(builtin=False).order_by("key").values_list("key", flat=True)
    others = [key for key in keys if key not in named]
    return [f"Not in the file and left as they are: {', '.join(others)}."] if others else []


def write_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write ``text`` to ``path``, readable for its owner alone, whole or not at all. Raises FileInTheWay."""
    if path.exists() and not overwrite:
        raise FileInTheWay(f"{path} exists already. Give --overwrite to replace it, or another name.")
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileInTheWay(f"{path} cannot be written: {error.strerror}.") from None


def _field(name: str, old: Any, new: Any) -> Iterable[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            before, after = old.get(key), new.get(key)
            if str(before) != str(after):
                yield f"{name}.{key}: {_value(name, key, before)} → {_value(name, key, after)}"
    else:
        yield f"{name}: {_value(name, '', old)} → {_value(name, '', new)}"


def _value(name: str, key: str, value: Any) -> str:
    if value is None:
        return _NOTHING
    if name == "env" and looks_secret(key, value):
        return MASK
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
