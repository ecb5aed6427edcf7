"""Runs a program on the desktop of who is logged on: as a scheduled task, made and deleted for it.

What comes in by WinRM lives in session 0, which has no desktop: an emulator that is started there is
invisible or broken. A task of logon type Interactive runs in the session of its user while that user is
logged on, and needs no password.
Source: https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-error-and-success-constants
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from workstations import powershell
from workstations.access import Access
from workstations.exceptions import NoDesktop, RemoteExit

if TYPE_CHECKING:
    from workstations.winrm import Host

SECONDS = 40.0
_NOT_RUN_YET = 0x41303
_REFUSED = 0x800710E0
"""The operator or administrator has refused the request: its user is not logged on, say."""


def run_on_desktop(
    host: "Host", access: Access, task: str, arguments: str, log: Callable[[str, str], None]
) -> None:
    """Start ldconsole with ``arguments`` on the desktop of ``access.desktop_user``, and return. No query.

    ``task`` names the task, which is deleted again. One of that name that a broken connection has left
    behind is replaced; it has no time of its own to run at. Raises NoDesktop where Windows does not run it,
    RemoteExit where it may not be made, and what :meth:`Host.run` raises.
    """
    line = f"{access.ldconsole_path} {arguments}"
    log(f"As a task on the desktop of {access.desktop_user}: {line}", "info")
    try:
        answer = powershell.ask(
            host,
            powershell.DesktopStart,
            timeout=SECONDS,
            task=task,
            program=access.ldconsole_path,
            arguments=arguments,
            user=access.desktop_user,
        )
    except RemoteExit as failure:
        raise RemoteExit(
            f"{access.name} does not let a task be made for {access.desktop_user}. {failure.detail} "
            f"Check the desktop user, and that {access.username} is an administrator there."
        ) from failure
    log(f"Windows says of the task: {answer.result:#x}", "info")
    if answer.result in (_NOT_RUN_YET, _REFUSED):
        raise NoDesktop(
            f"Windows did not run the task that starts it on the desktop of {access.desktop_user}. Is "
            f"{access.desktop_user} logged on there? See the host check."
        )
