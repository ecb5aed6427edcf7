"""``workstations check``, ``scan``, ``start`` and the like: ask, wait, and tell what comes of it."""

from collections.abc import Sequence
from typing import Any

from operations.exceptions import NotDone
from operations.models import Operation
from operations.shell_requester import requester
from operations.waiting import Say, wait
from workstations.actions import Chosen, EmulatorVerb, WorkstationVerb, request_actions
from workstations.command_line.selecting import named, with_tag
from workstations.exceptions import Unclear, UnknownEmulator
from workstations.models import Emulator, Workstation

_DONE = {
    "check-host": "all is in order",
    "scan": "read",
    "start": "started",
    "stop": "stopped",
    "restart": "restarted",
}


def chosen_workstations(options: dict[str, Any]) -> list[Workstation]:
    """Return the workstations that the words name. Raises Unclear, UnknownWorkstation. Two queries."""
    names, tag, everything = options["names"], options["tag"], options["all"]
    if sum(map(bool, (names, tag, everything))) != 1:
        raise Unclear("Say which workstations: their names, --tag TAG, or --all.")
    if names:
        return named(names)
    return with_tag(tag) if tag else list(Workstation.objects.order_by("name"))


def chosen_emulators(options: dict[str, Any]) -> list[Emulator]:
    """Return the emulators that the words name, as they were last read. Two queries.

    Raises Unclear, UnknownWorkstation, UnknownEmulator naming what is not there and what is.
    """
    titles, indexes = options["emulator"], options["index"]
    some = bool(titles or indexes)
    if bool(options["name"]) == bool(options["tag"]) or (some == options["all"]) or (some and options["tag"]):
        raise Unclear(
            "Say which emulators: NAME of a workstation with --emulator TITLE, --index N or --all; "
            "or --tag TAG with --all."
        )
    machines = with_tag(options["tag"]) if options["tag"] else named([options["name"]])
    rows = list(Emulator.objects.filter(workstation__in=machines).select_related("workstation"))
    if not some:
        return rows
    found = [row for row in rows if row.title in titles or row.index in indexes]
    missing = [repr(title) for title in titles if title not in {row.title for row in rows}]
    missing += [f"with index {index}" for index in indexes if index not in {row.index for row in rows}]
    if missing:
        known = ", ".join(map(str, rows[:20])) or "none; see manage.py workstations scan"
        raise UnknownEmulator(f"There is no emulator {', '.join(missing)} there. Known: {known}.")
    return found


def carry_out(
    verb: WorkstationVerb | EmulatorVerb,
    rows: Sequence[Workstation] | Sequence[Emulator],
    options: dict[str, Any],
    say: Say,
) -> None:
    """Ask for ``verb`` on each, wait where wanted, and tell what happens through ``say``.

    Raises NotDone where something was refused, failed, or has not ended in time; and what
    ``request_actions`` raises.
    """
    names = {str(row.pk): _name(row) for row in rows}
    chosen: Any = Chosen(list(rows))
    asked = request_actions(chosen, verb, requester(), reason=options["reason"])

    def name(operation: Operation) -> str:
        return names.get(operation.target_key, operation.target)

    for refusal in asked.refused:
        target = names.get(refusal.target.partition(":")[2], refusal.target)
        say(f"{target}: refused ({refusal.code}). {refusal.detail}", bad=True)
    if options["wait"]:
        done = wait(asked.operations, options["timeout"], say, name=name, done=_DONE.get(verb, "done"))
    else:
        done = len(asked.operations)
        for operation in asked.operations:
            say(f"{name(operation)}: asked for as operation {operation.pk}.")
    if done < len(rows):
        raise NotDone(f"{done} of {len(rows)} {'was' if done == 1 else 'were'} done; see above.")


def _name(row: Workstation | Emulator) -> str:
    return row.name if isinstance(row, Workstation) else f"{row.workstation.name}, {row}"
