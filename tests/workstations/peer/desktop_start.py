"""The script ``desktop-start``: a task on the desktop of who is logged on, made, run and deleted.

Whom it runs as, and with which rights, is read from the script itself.
"""

import json

from tests.workstations.peer import powershell, program
from tests.workstations.peer.machine_directory import State, Task
from tests.workstations.peer.program import Call, Outcome

_NOT_RUN = 0x41303
_INTERACTIVE = "-LogonType Interactive"
_HIGHEST = "-RunLevel Highest"


def run(call: Call, script: str, given: dict[str, str]) -> Outcome:
    """Do what the script would: register the task, start it, tell its result, delete it."""
    name = given["task"]
    task = Task(
        f'"{given["program"]}" {given["arguments"]}',
        given["user"],
        interactive=_INTERACTIVE in script,
        highest=_HIGHEST in script,
    )
    with call.machine.locked() as state:
        if state.quirks.powershell == "constrained":
            return powershell.failed("Cannot invoke method in this language mode.")
        if not state.quirks.task_scheduler:
            return powershell.failed("Register-ScheduledTask : Access is denied.")
        state.tasks[name] = task
        starts = _starts(state, task)
        keeps = state.quirks.dies_before_task_is_deleted
    if starts:
        program.run(
            "ldconsole",
            Call(
                call.machine,
                given["arguments"].split(),
                program.DESKTOP if task.interactive else program.SERVICES,
            ),
        )
    if keeps:
        return Outcome(0xC000013A)
    with call.machine.locked() as state:
        del state.tasks[name]
    return Outcome(0, json.dumps({"result": 0 if starts else _NOT_RUN}).encode())


def _starts(state: State, task: Task) -> bool:
    there = not task.interactive or _same(task.user, state.quirks.logged_on)
    elevated = task.highest or not state.quirks.tasks_need_highest
    known = task.line.startswith(f'"{state.ldconsole}" ')
    return there and elevated and known


def _same(one: str, other: str) -> bool:
    """Return whether two names mean the same user, with or without a domain."""
    first, second = (name.rpartition("\\")[2].partition("@")[0].lower() for name in (one, other))
    return bool(first) and first == second
