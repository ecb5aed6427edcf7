"""Runs a command line on the desktop of who is logged on: as a scheduled task, made and deleted for it.

What comes in by WinRM lives in session 0, which has no desktop: an emulator that is started there is
invisible or broken. A task with /IT runs in the session of its user, while that user is logged on.
"""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from workstations.access import Access
from workstations.exceptions import RemoteExit, RemoteFailure
from workstations.winrm.decoding import decoded

if TYPE_CHECKING:
    from workstations.winrm import Host, Output

PREFIX = "medimgr-launch-"
"""All tasks of ours begin so: whatever a broken connection has left behind can be told by it."""
LONGEST_COMMAND_LINE = 261
"""Of a task, as schtasks takes it."""
SECONDS = 30.0
TIDY_SECONDS = 5.0
_SCHTASKS = "schtasks.exe"


def run_on_desktop(host: "Host", access: Access, line: str, log: Callable[[str, str], None]) -> None:
    """Start the command line on the desktop of ``access.desktop_user``, and return at once. No query.

    Where nobody is logged on nothing is started, and Windows does not say so. Raises RemoteExit where the
    task can't be made or run, and what :meth:`Host.run` raises. The task is deleted in any case that the
    connection allows.
    """
    if len(line) > LONGEST_COMMAND_LINE:
        raise RemoteExit(
            f"A scheduled task takes a command line of {LONGEST_COMMAND_LINE} characters; this one has "
            f"{len(line)}: {line}. Move LDPlayer to a folder with a shorter path."
        )
    name = f"{PREFIX}{secrets.token_hex(6)}"
    log(f"As a task on the desktop of {access.desktop_user}: {line}", "info")
    # A time has to be given; midnight of today is past. Elevated: ldconsole can't be started otherwise.
    when = ["/SC", "ONCE", "/ST", "00:00"]
    whose = ["/RU", access.desktop_user, "/IT", "/RL", "HIGHEST"]
    try:
        _ask(host, access, ["/Create", "/TN", name, "/TR", line, *when, *whose, "/F"], log)
        _ask(host, access, ["/Run", "/TN", name], log)
    except BaseException:
        _delete(host, access, name, log)
        raise
    _delete(host, access, name, log)


def _ask(host: "Host", access: Access, arguments: list[str], log: Callable[[str, str], None]) -> None:
    output = host.run(_SCHTASKS, arguments, timeout=SECONDS)
    said = _said(output, access)
    log(f"schtasks {arguments[0]} ended with {output.exit_code}: {said}", "info")
    if output.exit_code != 0:
        raise RemoteExit(
            f"{access.name} does not let a task be {_DONE[arguments[0]]} for {access.desktop_user}: {said} "
            f"Check the desktop user, and that {access.username} is an administrator there."
        )


_DONE = {"/Create": "made", "/Run": "run"}


def _delete(host: "Host", access: Access, name: str, log: Callable[[str, str], None]) -> None:
    """Delete the task, also after a cancel; what it has started goes on. That it stays is no failure."""
    try:
        with host.tidying(TIDY_SECONDS):
            output = host.run(_SCHTASKS, ["/Delete", "/TN", name, "/F"], timeout=TIDY_SECONDS)
        if output.exit_code == 0:
            return
        reason = _said(output, access)
    except RemoteFailure as failure:
        reason = failure.detail
    log(f"The task {name} stays on {access.name}, and may be deleted there: {reason}", "warning")


def _said(output: "Output", access: Access) -> str:
    text = decoded(output.stdout + output.stderr, access.code_page).text
    return " ".join(text.split())[:500] or "it said nothing."
