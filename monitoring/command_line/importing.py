"""``services import`` and ``services export``: what changes, in words, and files written with care."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from medimgr.lib.problems import Problem
from monitoring.importers import telling
from monitoring.importers.saving import Change
from monitoring.models import Service


class FileInTheWay(Problem):
    """The file cannot be written."""

    code = "file-in-the-way"
    status = 409


def told(changes: Sequence[Change], *, dry_run: bool) -> list[str]:
    """Return the lines that say what an import does, values of variables masked. Pure."""
    lines = []
    width = max((len(change.key) for change in changes), default=0)
    for change in changes:
        lines.append(f"{change.key.ljust(width)}  {change.what}")
        if change.what == "changed":
            lines += [f"    {line}" for line in telling.lines(change)]
    lines.append(telling.summary(changes, dry_run=dry_run))
    if dry_run:
        lines.append("This was a dry run: nothing was written.")
    return lines


def left_alone(changes: Iterable[Change], node: str) -> list[str]:
    """Return the services of the node that the file does not name, in words; empty for none. One query."""
    named = {change.key for change in changes}
    keys = (
        Service.objects.on(node)
        .filter(builtin=False, instance_of=None)
        .order_by("key")
        .values_list("key", flat=True)
    )
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
