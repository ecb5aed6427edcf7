"""What goes wrong with workstations. Each failure has a code, which operations, API and pages show."""

from medimgr.lib.branches import NetworkProblem, ValidationProblem
from medimgr.lib.problems import Problem
from operations.exceptions import OperationFailed


class WorkstationProblem(Problem, branch="Workstation"):
    """Something is wrong with a workstation, or with what it was asked."""


class EmulatorProblem(Problem, branch="Emulator"):
    """Something is wrong with an emulator, or with what was asked of it."""


class RemoteFailure(OperationFailed):
    """Something on the way to a workstation, or on it, failed: the base of what ends such an operation."""


# --- on the way to it -----------------------------------------------------------------------


class ConnectFailed(RemoteFailure, NetworkProblem):
    """Something on the way to the workstation failed."""

    code = "remote-failure"
    status = 502
    remedy = "Look at the network of this machine and of the workstation; the message has the system's words."


class Unreachable(RemoteFailure, NetworkProblem):
    """The workstation does not answer: it is off, asleep, or a firewall is in between."""

    code = "workstation-unreachable"
    status = 504
    remedy = "Wake it, or let its WinRM port through the firewall, then test the connection."


class NotAskedAgain(Unreachable):
    """The workstation was not reached a moment ago, and is not asked again yet."""

    code = "workstation-not-asked"
    status = 503
    remedy = "Test the connection once it is back: that asks at once, and opens the way for all others."


class Refused(RemoteFailure, NetworkProblem):
    """The workstation is up, but WinRM does not listen on its port."""

    code = "workstation-refused"
    status = 502
    remedy = "Run `winrm quickconfig` on it, or correct the port: 5985, or 5986 with TLS."


class UnknownHost(RemoteFailure, NetworkProblem):
    """The name of the workstation's host is not known."""

    code = "workstation-unknown-host"
    status = 502
    remedy = "Correct the host, or the name server's entry, or declare the address itself."


class TlsFailure(RemoteFailure, NetworkProblem):
    """No TLS with the workstation: its certificate is not trusted, or it does not speak TLS."""

    code = "workstation-tls"
    status = 502
    remedy = "Renew or trust its certificate, or correct whether it is reached with TLS."


class ConnectionLost(RemoteFailure, NetworkProblem):
    """The connection broke while something ran there; what became of it is not known."""

    code = "workstation-connection-lost"
    status = 502
    remedy = "Scan its emulators to see what became of it, then ask again if need be."


# --- the workstation itself -----------------------------------------------------------------


class AuthenticationFailure(RemoteFailure, WorkstationProblem):
    """The workstation does not accept the user name and password."""

    code = "workstation-authentication"
    status = 502
    remedy = "Enter the user name and the password again; look there whether the account is locked."


class PasswordMissing(AuthenticationFailure):
    """There is no user name or password for the workstation, or none that can be read."""

    code = "workstation-password-missing"
    status = 409
    remedy = "Enter them in the admin, or with `manage.py workstations set-password`."


class QuotaExceeded(RemoteFailure, WorkstationProblem):
    """The workstation allows this user no more shells or commands at the moment."""

    code = "workstation-quota"
    status = 503
    remedy = "Wait until its idle shells have expired, or raise MaxShellsPerUser on it."


class RemoteTimeout(RemoteFailure, WorkstationProblem):
    """What was asked of the workstation did not end in time, and was told to stop."""

    code = "workstation-timeout"
    status = 504
    remedy = "Look how busy it is, then ask again."


class ShellGone(RemoteFailure, WorkstationProblem):
    """The shell on the workstation has expired, or the workstation closed it."""

    code = "workstation-shell-gone"
    status = 502
    remedy = "Ask again: a new shell is opened. If it happens each time, look at its WinRM limits."


class ProtocolFailure(RemoteFailure, WorkstationProblem):
    """The workstation answers, but not as WinRM does."""

    code = "workstation-protocol"
    status = 502
    remedy = "Look what listens on that port, and whether a proxy stands in between."


class ArgumentRefused(RemoteFailure, WorkstationProblem):
    """Something can't be handed to a Windows program as it is meant; nothing was run."""

    code = "argument-refused"
    status = 422
    remedy = "Take a name or a value without the characters that the message names."


class RemoteExit(RemoteFailure, WorkstationProblem):
    """The program that was run on the workstation failed."""

    code = "remote-exit"
    status = 502
    remedy = "Read the program's words in the operation's log, and try the command on the workstation itself."


class NoDesktop(RemoteFailure, WorkstationProblem):
    """Nobody is logged on to the workstation whose desktop an emulator could be started on."""

    code = "workstation-no-desktop"
    status = 409
    remedy = "Log on there, or have it log on by itself when it starts."


class HostCheckFailed(RemoteFailure, WorkstationProblem):
    """The host check found something that has to be mended."""

    code = "host-check-failed"
    status = 409
    remedy = "Mend what the operation's log names, then check again."


class BadWorkstation(ValidationProblem):
    """The workstation can't be declared so."""

    code = "bad-workstation"
    status = 422
    remedy = "Correct the fields that `errors` names."


class UnknownWorkstation(WorkstationProblem):
    """There is no such workstation."""

    code = "unknown-workstation"
    status = 404
    remedy = "Look it up in the list: it was deleted, is called otherwise, or is not for your account."


# --- emulators ------------------------------------------------------------------------------


class OutputNotUnderstood(RemoteFailure, EmulatorProblem):
    """The output of the program on the workstation is not what it should be."""

    code = "output-not-understood"
    status = 502
    remedy = "Check the host, and LDPlayer's version on it; report what the operation's log holds."


class NotVerified(RemoteFailure, EmulatorProblem):
    """It was asked for, but reading back shows that it was not done."""

    code = "verify-failed"
    status = 409
    remedy = "Look at the emulator on the workstation, then ask again."


class Unsafe(RemoteFailure, EmulatorProblem):
    """It is refused in the state that things are in."""

    code = "emulator-unsafe"
    status = 409
    remedy = "Do first what the message says: stop it, start it, or take another name."


class EmulatorChanged(RemoteFailure, EmulatorProblem):
    """The index of the emulator holds another one by now, or none."""

    code = "emulator-changed"
    status = 409
    remedy = "Scan the workstation, then choose again."


class AppFileMissing(RemoteFailure, EmulatorProblem):
    """There is no such file on the workstation."""

    code = "app-file-missing"
    status = 404
    remedy = "Copy the file to the workstation, or correct its path."


class UnknownEmulator(EmulatorProblem):
    """There is no such emulator."""

    code = "unknown-emulator"
    status = 404
    remedy = "Scan its workstation, or look it up in the list: it may not be for your account."


# --- at the command line --------------------------------------------------------------------


class Unclear(ValidationProblem):
    """It is not clear what to act on; nothing was asked for."""

    code = "unclear-selection"
    status = 422
    remedy = "Name what is meant, or a tag with --tag, or --all: one of the three."


class NoPassword(ValidationProblem):
    """No password was given; nothing was stored."""

    code = "no-password"
    status = 422
    remedy = "Type it twice at the terminal, or give it as the first line of the standard input."


class NotAllReadable(WorkstationProblem):
    """Some passwords can't be read with any of the keys."""

    code = "rotation-incomplete"
    status = 409
    remedy = "Add the old key to MEDIMGR_ENCRYPTION_KEYS and rotate again, or enter those passwords anew."
