"""What real LDPlayers and Windows machines do that nobody expects, each as a switch."""

from dataclasses import dataclass


@dataclass
class Quirks:
    """How a simulated machine behaves. The defaults are LDPlayer 9's, as quick as a test likes it."""

    columns: int = 10
    """Of ``list2``: 10, or 7 as LDPlayer 3 and 4 print."""
    encoding: str = "gbk"
    """Of what ldconsole prints, whatever the locale of Windows is."""
    version: str = "9.0.79.2"
    boot_seconds: float = 0.0
    """How long after a launch Android is started, at least."""
    boot_polls: int = 0
    """How many readings of the list say "starting" after a launch."""
    boots_without_vm: bool = False
    """Wedged VirtualBox: started = 1, but there is no virtual machine."""
    quit_seconds: float = 0.0
    """How long the processes live on after a quit, which returns at once."""
    ignores_launch: bool = False
    ignores_quit: bool = False
    settle_seconds: float = 0.0
    """How long after its end an instance's files are held: a copy before that is half for ever."""
    copy_seconds: float = 0.0
    """How long a copy goes on in the background; a second one meanwhile returns 3 and leaves half a clone."""
    recreates_after_remove: int = 0
    """How many more removes are followed by an empty instance at the same index."""
    ignores_modify: bool = False
    """``modify`` returns 0 and does nothing."""
    ignores_rename: bool = False
    ignores_add: bool = False
    ignores_install: bool = False
    session_0: str = "zombie"
    """What ``launch`` makes outside the desktop's session: a ``zombie``, ``nothing``, or it ``works``."""
    players_die_with_shell: bool = False
    """What was started in session 0 ends with the shell that it was started in."""
    elevated: bool = True
    """Without, ldconsole can't be started at all (error 740)."""
    logged_on: str = "operator"
    """Who sits at the desktop; empty: nobody, and interactive tasks don't run."""
    task_scheduler: bool = True
    """Without, no task may be registered."""
    dies_before_task_is_deleted: bool = False
    """The PowerShell that has made and run a task is killed before it deletes it."""
    tasks_need_highest: bool = True
    """A task without the highest rights can't start ldconsole, which wants elevation (error 740)."""
    powershell: str = "answers"
    """Or ``chatty``: something writes before the answer; ``constrained``: its language mode forbids all."""
    signed_exit_codes: bool = False
    """WinRM tells exit codes as negative numbers, not as unsigned ones."""
