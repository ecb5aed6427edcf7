"""A fake schtasks: one-off tasks on the desktop of who is logged on."""

from tests.workstations.peer import command_line, program
from tests.workstations.peer.machine_directory import State, Task
from tests.workstations.peer.program import Call, Outcome

_FLAGS = ("/create", "/run", "/delete", "/query", "/end", "/it", "/f", "/np", "/z", "/i")


def run(call: Call) -> Outcome:
    """Create, run, delete or show a task, as the arguments say."""
    given = _options(call.arguments)
    if given is None:
        return _error('ERROR: Invalid syntax. Type "SCHTASKS /?" for usage.')
    name = given.get("/tn", "").lstrip("\\")
    with call.machine.locked() as state:
        if "/create" in given:
            return _create(state, name, given, call)
        task = state.tasks.get(name)
        if task is None:
            return _error("ERROR: The system cannot find the file specified.")
        if "/delete" in given:
            if "/f" not in given:
                return _error('ERROR: Invalid syntax. Type "SCHTASKS /DELETE /?" for usage.')
            del state.tasks[name]
            return _success(f'The scheduled task "{name}" was successfully deleted.')
        if "/query" in given:
            return Outcome(0, f'"\\{name}","N/A","Ready"\r\n'.encode())
        if "/run" not in given:
            return _error("ERROR: Invalid syntax.")
        starts = bool(state.quirks.logged_on) and _same(task.user, state.quirks.logged_on)
        starts = starts or not task.interactive
        starts = starts and (task.highest or not state.quirks.tasks_need_highest)
        task.runs += starts
    if starts:
        _start(call, task, program.DESKTOP if task.interactive else program.SERVICES)
    return _success(f'Attempted to run the scheduled task "{name}".')


def _create(state: State, name: str, given: dict[str, str], call: Call) -> Outcome:
    if not state.quirks.task_scheduler:
        return _error("ERROR: Access is denied.")
    if not name or not given.get("/tr") or given.get("/sc", "").lower() != "once" or "/st" not in given:
        return _error("ERROR: Invalid syntax. Mandatory option is missing.")
    if len(given["/tr"]) > 261:
        return _error("ERROR: Invalid syntax. Value for '/tr' option cannot be more than 261 character(s).")
    if name in state.tasks and "/f" not in given:
        return _error(f'ERROR: The task name "{name}" already exists.')
    if state.quirks.asks_task_password and "/ru" in given and "/rp" not in given:
        return _error(f"Please enter the run as password for {given['/ru']}: \r\nERROR: Logon failure.")
    state.tasks[name] = Task(
        given["/tr"], given.get("/ru", call.user), "/it" in given, given.get("/rl", "").upper() == "HIGHEST"
    )
    return _success(f'The scheduled task "{name}" has successfully been created.')


def _start(call: Call, task: Task, session: str) -> None:
    with call.machine.locked() as state:
        known = [state.ldconsole]
    path = command_line.program(task.line, known)
    if path is not None and (name := program.name_of(path)):
        program.run(name, Call(call.machine, command_line.split(task.line)[1:], session))


def _options(arguments: list[str]) -> dict[str, str] | None:
    found = {}
    words = iter(arguments)
    for word in words:
        option = word.lower()
        if not option.startswith("/"):
            return None
        if option in _FLAGS:
            found[option] = ""
        else:
            value = next(words, None)
            if value is None:
                return None
            found[option] = value
    return found


def _same(one: str, other: str) -> bool:
    """Return whether two names mean the same user, with or without a domain."""
    return (
        one.rpartition("\\")[2].partition("@")[0].lower()
        == other.rpartition("\\")[2].partition("@")[0].lower()
    )


def _success(text: str) -> Outcome:
    return Outcome(0, f"SUCCESS: {text}\r\n".encode())


def _error(text: str) -> Outcome:
    return Outcome(1, b"", f"{text}\r\n".encode())
