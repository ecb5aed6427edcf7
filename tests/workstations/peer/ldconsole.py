"""A fake ldconsole: the commands, the exit codes and the quirks that were measured on real ones."""

import time
from collections.abc import Callable

from tests.workstations.peer import program
from tests.workstations.peer.instance import STARTED, STOPPED, Instance
from tests.workstations.peer.ldconsole_options import options, valid_modification
from tests.workstations.peer.machine_directory import State
from tests.workstations.peer.program import Call, Outcome

USAGE = (
    "dnplayer Command Line Management Tool\r\nUsage:\r\n  quit|reboot <--name mnq_name | --index mnq_idx>\r\n"
)
NO_SUCH = 4294966296
BAD_VALUE = 4294966291
NOT_POSSIBLE = 4294967295
COPY_UNDER_WAY = 3
READING = ("list", "list2", "list3", "runninglist", "isrunning", "adb", "getprop")


def run(call: Call) -> Outcome:
    """Run ldconsole with these arguments."""
    name, *rest = call.arguments or [""]
    command = COMMANDS.get(name)
    with call.machine.locked() as state:
        code, text = (
            command(state, options(rest), call)
            if command
            else (0, f"{USAGE}Version: {state.quirks.version}\r\n")
        )
        if command and name not in READING:
            state.calls.append(call.arguments)
        return Outcome(code, text.encode(state.quirks.encoding, "replace"))


def _find(state: State, given: dict[str, str]) -> Instance | None:
    if "index" in given:
        return next((one for one in state.instances if str(one.index) == given["index"]), None)
    return next((one for one in state.instances if one.title == given.get("name")), None)


def list2(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Print a line for each instance; those that start come a poll nearer to it."""
    lines = "".join(f"{instance.line(state.quirks.columns)}\r\n" for instance in state.instances)
    for instance in state.instances:
        instance.boots_in_polls = max(instance.boots_in_polls - 1, 0)
    return 0, lines


def list_titles(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    return 0, "".join(f"{instance.title}\r\n" for instance in state.instances)


def running_list(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    return 0, "".join(f"{one.title}\r\n" for one in state.instances if one.android == STARTED)


def is_running(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    found = _find(state, given)
    return 0, "running" if found and found.android == STARTED else "stop"


def launch(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Start an instance; in session 0, where there is no desktop, it does not come to much."""
    found = _find(state, given)
    if found is None or found.active:
        return 0, ""
    quirks = state.quirks
    outcome = "works" if call.session == program.DESKTOP else quirks.session_0
    if outcome != "nothing" and not quirks.ignores_launch:
        found.begin(state.take_pid())
        found.in_session_0 = call.session == program.SERVICES
        found.boots_without_vm = quirks.boots_without_vm or outcome == "zombie"
        found.boots_in_polls = quirks.boot_polls
        found.boots_at = time.time() + quirks.boot_seconds
        if not (quirks.boot_polls or quirks.boot_seconds):
            found.settle(time.time())
    return 0, ""


def quit_instance(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    found = _find(state, given)
    if found is not None:
        _quit(state, found)
    return 0, ""


def quit_all(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    for instance in state.instances:
        _quit(state, instance)
    return 0, ""


def _quit(state: State, instance: Instance) -> None:
    if not instance.active or state.quirks.ignores_quit:
        return
    if state.quirks.quit_seconds:
        instance.android = STOPPED
        instance.top_window = instance.bind_window = 0
        instance.ends_at = time.time() + state.quirks.quit_seconds
    else:
        instance.end(time.time())


def reboot(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    found = _find(state, given)
    if found is not None and found.android == STARTED:
        found.end(0.0)
        launch(state, given, call)
    return 0, ""


def add(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Make an instance; the exit code is its index."""
    if state.quirks.ignores_add:
        return 0, ""
    index = state.free_index()
    state.put(Instance(given.get("name", f"LDPlayer-{index}"), index))
    return index, ""


def copy(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Begin to copy an instance in the background; digits name an index, anything else a title."""
    origin = given.get("from", "")
    source = _find(state, {"index" if origin.isdigit() else "name": origin})
    if source is None:
        return NO_SUCH, USAGE
    index = state.free_index()
    title = given.get("name", f"{source.title}-{index}")
    now = time.time()
    fresh = Instance(title, index, cpu=source.cpu, memory_mb=source.memory_mb, apps=list(source.apps))
    fresh.width, fresh.height, fresh.dpi = source.width, source.height, source.dpi
    under_way = state.copying
    held = source.active or now < source.settled_at + state.quirks.settle_seconds
    fresh.half = under_way or held
    if not fresh.half and state.quirks.copy_seconds:
        fresh.whole_at = now + state.quirks.copy_seconds
    state.put(fresh)
    return (COPY_UNDER_WAY if under_way else 0), ""


def remove(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Delete an instance; an empty one may come back in its place."""
    found = _find(state, given)
    if found is None:
        return NO_SUCH, ""
    if found.active:
        return NOT_POSSIBLE, ""
    state.instances.remove(found)
    if state.quirks.recreates_after_remove > 0:
        state.quirks.recreates_after_remove -= 1
        state.put(Instance("LDPlayer" if found.index == 0 else f"LDPlayer-{found.index}", found.index))
    return 0, ""


def rename(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    found = _find(state, given)
    if found is None or "title" not in given:
        return NO_SUCH, ""
    if not state.quirks.ignores_rename:
        found.title = given["title"]
    return 0, ""


def modify(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Change what is given; silently nothing where it runs, is unknown, or the quirk says so."""
    found = _find(state, given)
    if not valid_modification(given):
        return BAD_VALUE, "parameter error!"
    if found is None or found.active or state.quirks.ignores_modify:
        return 0, ""
    if "resolution" in given:
        found.width, found.height, found.dpi = (int(part) for part in given["resolution"].split(","))
    found.cpu = int(given.get("cpu", found.cpu or 2))
    found.memory_mb = int(given.get("memory", found.memory_mb or 2048))
    return 0, ""


def install_app(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Install a package: from a file of the machine, or by its name from the shop."""
    found = _find(state, given)
    package = given.get("packagename") or state.files.get(given.get("filename", "").replace("/", "\\"))
    if found and found.android == STARTED and package and not state.quirks.ignores_install:
        found.apps = sorted({*found.apps, package})
    return 0, ""


def uninstall_app(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    found = _find(state, given)
    if found and found.android == STARTED:
        found.apps = [app for app in found.apps if app != given.get("packagename")]
    return 0, ""


def adb(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    """Answer the few questions that are put to Android through adb."""
    found = _find(state, given)
    words = given.get("command", "").split()
    if found is None or found.android != STARTED or found.boots_without_vm:
        return 1, "error: device not found\r\n"
    if words[:4] == ["shell", "pm", "list", "packages"]:
        wanted = [
            app for app in ["com.android.settings", *found.apps] if all(word in app for word in words[4:])
        ]
        return 0, "".join(f"package:{app}\r\n" for app in wanted)
    if words[:3] == ["shell", "pm", "path"]:
        there = words[3:] and words[3] in found.apps
        return (0, f"package:/data/app/{words[3]}/base.apk\r\n") if there else (1, "")
    if words == ["shell", "getprop", "sys.boot_completed"]:
        return 0, "1\r\n"
    return (0, "device\r\n") if words == ["get-state"] else (0, "")


def nothing(state: State, given: dict[str, str], call: Call) -> tuple[int, str]:
    return 0, ""


COMMANDS: dict[str, Callable[[State, dict[str, str], Call], tuple[int, str]]] = {
    "list": list_titles,
    "list2": list2,
    "runninglist": running_list,
    "isrunning": is_running,
    "launch": launch,
    "launchex": launch,
    "quit": quit_instance,
    "quitall": quit_all,
    "reboot": reboot,
    "add": add,
    "copy": copy,
    "remove": remove,
    "rename": rename,
    "modify": modify,
    "installapp": install_app,
    "uninstallapp": uninstall_app,
    "adb": adb,
    "runapp": nothing,
    "killapp": nothing,
    "sortWnd": nothing,
}
