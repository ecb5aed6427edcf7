"""What the error codes of operations on workstations mean, each in a sentence."""

from operations.words import declare_errors
from workstations.exceptions import (
    AppFileMissing,
    ArgumentRefused,
    AuthenticationFailure,
    ConnectionLost,
    EmulatorChanged,
    HostCheckFailed,
    NoDesktop,
    NotAskedAgain,
    NotVerified,
    OutputNotUnderstood,
    PasswordMissing,
    ProtocolFailure,
    QuotaExceeded,
    Refused,
    RemoteExit,
    RemoteFailure,
    RemoteTimeout,
    ShellGone,
    TlsFailure,
    UnknownHost,
    Unreachable,
    Unsafe,
)

SENTENCES: dict[str, str] = {
    RemoteFailure.code: "Something on the way to the workstation, or on it, failed.",
    Unreachable.code: "The workstation does not answer: it is off, asleep, or a firewall is in between.",
    NotAskedAgain.code: "The workstation was not reached a moment ago, and is not asked again yet.",
    Refused.code: "The workstation is up, but WinRM does not listen on its port.",
    UnknownHost.code: "The name of the workstation's host is not known.",
    TlsFailure.code: "No TLS with the workstation: its certificate is not trusted, or it does not speak TLS.",
    AuthenticationFailure.code: "The workstation does not accept the user name and password.",
    PasswordMissing.code: "There is no user name or password for the workstation, or none that can be read.",
    QuotaExceeded.code: "The workstation allows this user no more shells or commands at the moment.",
    RemoteTimeout.code: "What was asked of the workstation did not end in time, and was told to stop.",
    ConnectionLost.code: "The connection broke while something ran there; what became of it is not known.",
    ShellGone.code: "The shell on the workstation has expired, or the workstation closed it.",
    ProtocolFailure.code: "The workstation answers, but not as WinRM does.",
    ArgumentRefused.code: "Something can't be handed to a Windows program as it is meant; nothing was run.",
    RemoteExit.code: "The program that was run on the workstation failed.",
    NoDesktop.code: "Nobody is logged on to the workstation whose desktop an emulator could be started on.",
    OutputNotUnderstood.code: "The output of the program on the workstation is not what it should be.",
    NotVerified.code: "It was asked for, but reading back shows that it was not done.",
    Unsafe.code: "It is refused in the state that things are in.",
    EmulatorChanged.code: "The index of the emulator holds another one by now, or none.",
    AppFileMissing.code: "There is no such file on the workstation.",
    HostCheckFailed.code: "The host check found something that has to be mended.",
}


def declare() -> None:
    """Say them on the pages of operations. Called once, when the app is ready."""
    declare_errors(SENTENCES)
