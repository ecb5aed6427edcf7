"""``services import``: what changes, in words."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from monitoring.command_line import acting
from monitoring.command_line.waiting import Say
from monitoring.importers import importing, telling
from monitoring.importers.document import Remark
from monitoring.importers.importing import Import
from monitoring.importers.saving import Change
from monitoring.models import Service


def told(changes: Sequence[Change], *, dry_run: bool, diff: bool = False) -> list[str]:
    """Return the lines that say what an import does, values of variables masked. Pure.

    With ``diff`` also the fields of what is created.
    """
    lines = []
    width = max((len(change.key) for change in changes), default=0)
    for change in changes:
        lines.append(f"{change.key.ljust(width)}  {change.what}")
        if change.what == "changed":
            lines += [f"    {line}" for line in telling.lines(change)]
        elif change.what == "created" and diff:
            lines += [f"    {row['field']}: {row['new']}" for row in telling.fields(change)]
    lines.append(telling.summary(changes, dry_run=dry_run))
    if dry_run:
        lines.append("This was a dry run: nothing was written.")
    return lines


def listed(remarks: Sequence[Remark]) -> list[str]:
    """Return the lines that say what has no counterpart here, and what is not quite as it was. Pure."""
    lines: list[str] = []
    for heading, mapped in (("Not taken over:", False), ("Taken over, but not as it was:", True)):
        chosen = [f"    {remark}" for remark in remarks if remark.mapped is mapped]
        lines += [heading, *chosen] if chosen else []
    return lines


def restart_to_apply(done: Import) -> list[str]:
    """Return what there is to do for services that run with old settings; empty for nothing. Pure."""
    if not done.to_restart:
        return []
    would = "This would ask for a restart to apply" if done.dry_run else "Restart to apply"
    return [f"{would}: services restart {' '.join(done.to_restart)}"]


def restart(
    done: Import, files: Sequence[str], say: Say, confirm: Callable[[str], bool], *, confirmed: bool
) -> None:
    """Request restarts of what runs with old settings: copies roll, all others at once.

    Raises what ``acting.carry_out`` raises.
    """
    reason = f"import of {', '.join(Path(file).name for file in files)}"[:500]
    for services, rolling in importing.restarts(done):
        order = acting.Order(
            "restart", services, reason=reason, rolling=rolling, confirmed=confirmed, wait=False
        )
        acting.carry_out(order, say, confirm)


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
