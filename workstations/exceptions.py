"""What goes wrong with workstations. Each failure has a code, which operations, API and pages show."""

from medimgr.lib.problems import Problem
from operations.exceptions import OperationFailed


class RemoteFailure(OperationFailed):
    """Something on the way to a workstation, or on it, failed; ends the operation with its ``code``."""

    code = "remote-failure"

    def __init__(self, detail: str, code: str = "") -> None:
        super().__init__(code or type(self).code, detail)


class Unreachable(RemoteFailure):
    """Nobody answers: it is off, asleep, or a firewall drops what is sent."""

    code = "workstation-unreachable"


class NotAskedAgain(Unreachable):
    """It was not reached a moment ago, and is not asked again before its next probe (circuit breaker)."""

    code = "workstation-not-asked"


class Refused(RemoteFailure):
    """It is up, but nothing listens on the port."""

    code = "workstation-refused"


class UnknownHost(RemoteFailure):
    """Its name can't be resolved."""

    code = "workstation-unknown-host"


class TlsFailure(RemoteFailure):
    """No TLS with it: its certificate is not trusted, or it does not speak TLS."""

    code = "workstation-tls"


class AuthenticationFailure(RemoteFailure):
    """It does not accept the name and password."""

    code = "workstation-authentication"


class PasswordMissing(AuthenticationFailure):
    """There is no user name or password to log in with, or none that can be decrypted."""

    code = "workstation-password-missing"


class QuotaExceeded(RemoteFailure):
    """It allows this user no more shells, commands or operations at the moment."""

    code = "workstation-quota"


class RemoteTimeout(RemoteFailure):
    """What was asked of it did not end in time; it was told to stop."""

    code = "workstation-timeout"


class ConnectionLost(RemoteFailure):
    """The connection broke while something ran there; what became of that is not known."""

    code = "workstation-connection-lost"


class ShellGone(RemoteFailure):
    """Its shell has expired or was closed by the workstation."""

    code = "workstation-shell-gone"


class ProtocolFailure(RemoteFailure):
    """It answers, but not as WinRM does."""

    code = "workstation-protocol"


class ArgumentRefused(RemoteFailure):
    """It can't be handed to a Windows program so that it surely arrives as it is meant; nothing was run."""

    code = "argument-refused"


class RemoteExit(RemoteFailure):
    """The program that was run there failed, and its exit code can be believed."""

    code = "remote-exit"


class NoDesktop(RemoteFailure):
    """Nobody is logged on whose desktop an emulator could be started on."""

    code = "workstation-no-desktop"


class OutputNotUnderstood(RemoteFailure):
    """The program's output is not what it should be."""

    code = "output-not-understood"


class NotVerified(RemoteFailure):
    """It was asked for and not refused, but reading back shows that it was not done."""

    code = "verify-failed"


class Unsafe(RemoteFailure):
    """It is refused in the state that things are in: delete while running, name taken."""

    code = "emulator-unsafe"


class EmulatorChanged(RemoteFailure):
    """The index of the emulator holds another one by now, or none."""

    code = "emulator-changed"


class AppFileMissing(RemoteFailure):
    """There is no such file on the workstation to install an app from."""

    code = "app-file-missing"


class HostCheckFailed(RemoteFailure):
    """The host check found something that is not in order."""

    code = "host-check-failed"


class BadWorkstation(Problem):
    """The workstation can't be declared so."""

    code = "bad-workstation"
    status = 422


class UnknownWorkstation(Problem):
    """There is no such workstation."""

    code = "unknown-workstation"
    status = 404


class UnknownEmulator(Problem):
    """There is no such emulator."""

    code = "unknown-emulator"
    status = 404
