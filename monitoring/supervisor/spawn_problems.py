"""Why a program could not be started: each with a stable code, which services and operations show."""

from typing import ClassVar

from medimgr.lib.branches import ConfigurationProblem, FileSystemProblem, SystemProblem
from medimgr.lib.problems import Problem
from monitoring.states import Reason


class SpawnError(Problem):
    """A program could not be started: the base of the ways in which that happens."""

    transient: ClassVar[bool] = False
    """Whether it may well succeed later although nobody changes the declaration."""
    hopeless: ClassVar[bool] = False
    """Whether trying again can't mend it: somebody has to change the declaration or the machine."""


class SpawnFailed(SpawnError, SystemProblem):
    """It could not be started."""

    code = "spawn-failed"
    remedy = "Read the message for what the system said, and try the command by hand as the same user."


class TooManyFiles(SpawnError, SystemProblem):
    """Too many files are open."""

    code = "too-many-files"
    status = 503
    remedy = "Raise the limit of open files: ulimit -n of the supervisor, or fs.file-max of the machine."
    transient = True


class TooManyProcesses(SpawnError, SystemProblem):
    """The limit of processes is reached."""

    code = "too-many-processes"
    status = 503
    remedy = "Raise ulimit -u of the supervisor's user, or pids.max of its control group."
    transient = True


class NoMemory(SpawnError, SystemProblem):
    """There was not enough memory."""

    code = "no-memory"
    status = 503
    remedy = "Stop something, or add memory; a limit on the memory of services keeps one from taking all."
    transient = True


class PortBusy(SpawnError, SystemProblem):
    """Its port is taken by another program."""

    code = Reason.PORT_BUSY.value
    status = 409
    remedy = "Stop the program that the message names, or give the service another port."


class SupervisorNotPermitted(SpawnError, SystemProblem):
    """The supervisor may not do this."""

    code = "supervisor-not-permitted"
    status = 403
    remedy = (
        "Give the supervisor's user the right, or run it as root, or declare less: user, limit, nice, cwd."
    )
    hopeless = True


class CommandNotFound(SpawnError, FileSystemProblem):
    """Its program does not exist."""

    code = "command-not-found"
    status = 404
    remedy = "Install the program, or correct the command; PATH is the one that the message shows."
    hopeless = True


class NotExecutable(SpawnError, FileSystemProblem):
    """Its program cannot be executed."""

    code = "not-executable"
    status = 409
    remedy = "Make it executable (chmod +x), and look at its #! line and the mount options."
    hopeless = True


class CwdMissing(SpawnError, FileSystemProblem):
    """The directory that it runs in does not exist."""

    code = "cwd-missing"
    status = 404
    remedy = "Make the directory, or correct cwd in the declaration."
    hopeless = True


class LogUnwritable(SpawnError, FileSystemProblem):
    """Its log cannot be written."""

    code = "log-unwritable"
    status = 503
    remedy = "Make the directory of logs writable for the supervisor's user."
    transient = True


class UserUnknown(SpawnError, ConfigurationProblem):
    """The account that it runs as does not exist."""

    code = "user-unknown"
    status = 404
    remedy = "Create the account on the node, or correct the user in the declaration."
    hopeless = True


class GroupUnknown(SpawnError, ConfigurationProblem):
    """The group that it runs as does not exist."""

    code = "group-unknown"
    status = 404
    remedy = "Create the group on the node, or correct it in the declaration."
    hopeless = True


KINDS: tuple[type[SpawnError], ...] = (
    SpawnFailed,
    TooManyFiles,
    TooManyProcesses,
    NoMemory,
    PortBusy,
    SupervisorNotPermitted,
    CommandNotFound,
    NotExecutable,
    CwdMissing,
    LogUnwritable,
    UserUnknown,
    GroupUnknown,
)
"""All of them."""
