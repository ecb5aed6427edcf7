"""A workstation that programs are run on: what handlers and the polling hold in their hands."""

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workstations.access import Access
from workstations.exceptions import QuotaExceeded, RemoteFailure, RemoteTimeout, ShellGone
from workstations.winrm.patience import Patience, nothing
from workstations.winrm.quoting import command_line

if TYPE_CHECKING:
    from workstations.winrm.shell import Shell

POWERSHELL = "powershell.exe"


@dataclass(frozen=True, slots=True)
class Output:
    """What a program has printed, and how it ended."""

    exit_code: int
    """As Windows shows it: 0 to 4,294,967,295."""
    stdout: bytes
    stderr: bytes


class Host:
    """One session with one workstation: connected at first use, with one shell.

    For the thread that made it alone: messages are sealed in order, so two threads would break each other's.
    """

    def __init__(self, access: Access, deadline: float, check: Callable[[], None] = nothing) -> None:
        """Take how to reach it; connects to nothing. Use :func:`connect`, which closes it, too."""
        self.access = access
        self._deadline = deadline
        self._patience = Patience(check)
        self._shell: Shell | None = None
        self._thread = threading.get_ident()
        self.opened = False
        """It has been reached and logged in to."""
        self.opening_failure: RemoteFailure | None = None
        """What went wrong when it was last tried to be reached; None where nothing did."""

    def run(self, program: str, arguments: Sequence[str], *, timeout: float, stdin: bytes = b"") -> Output:
        """Run a program to its end and return what it printed, whatever its exit code.

        ``timeout`` is in seconds, and includes connecting; past it, or the session's deadline, or where
        ``check`` raises, what runs there is told to stop, its shell is closed, and the session is ready for
        another run. Raises ArgumentRefused before anything is sent, and a RemoteFailure for each
        thing that can go wrong: Unreachable, Refused, UnknownHost, TlsFailure, PasswordMissing,
        AuthenticationFailure, QuotaExceeded, ProtocolFailure, RemoteTimeout, ConnectionLost, ShellGone,
        RemoteExit where there is no such program.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError("A session with a workstation belongs to the thread that made it.")
        name, words = command_line(program, arguments)
        told = program.replace("/", "\\").rpartition("\\")[2]
        end = min(self._deadline, time.monotonic() + timeout)

        def late() -> RemoteTimeout:
            return RemoteTimeout(
                f"{told} on {self.access.name} has not ended within {timeout:g} s, or until its operation "
                "had to. It was told to stop."
            )

        # Who has not been reached by the end is unreachable: nothing of ours was late then.
        with self._patience.until(end, late):
            self._patience.go_on()
        shell = self._open(end)
        used = shell.commands > 0
        try:
            with self._patience.until(end, late):
                return Output(*shell.run(name, words, told, stdin))
        except (ShellGone, QuotaExceeded) as failure:
            # A new shell may help against a quota, too: commands count for as long as theirs lives.
            if shell.begun or (isinstance(failure, QuotaExceeded) and not used):
                raise
        shell = self._open(end, anew=True)
        with self._patience.until(end, late):
            return Output(*shell.run(name, words, told, stdin))

    def powershell(self, script: str, *, timeout: float) -> Output:
        """Run a PowerShell script as :meth:`run` does a program.

        Raises ArgumentRefused for a script of more than about 3,000 characters, which no command line takes.
        """
        encoded = base64.b64encode(script.encode("utf-16-le")).decode()
        return self.run(
            POWERSHELL, ["-NoProfile", "-NonInteractive", "-EncodedCommand", encoded], timeout=timeout
        )

    def close(self) -> None:
        """Close the shell and hang up; takes a few seconds at most, and raises nothing."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def _open(self, end: float, *, anew: bool = False) -> "Shell":
        from workstations.winrm.shell import Shell

        try:
            if self._shell is None:
                self._shell = Shell(self.access, self._patience)
            self._shell.open(end, anew=anew)
        except RemoteFailure as failure:
            self.opening_failure = failure
            raise
        self.opened, self.opening_failure = True, None
        return self._shell


@contextlib.contextmanager
def connect(access: Access, *, deadline: float, check: Callable[[], None] = nothing) -> Iterator[Host]:
    """Yield a session with a workstation, closed at the end whatever happens. No query.

    Nothing is connected before the first run. ``deadline`` is monotonic time, past which every run ends;
    ``check`` is called at least every half second while something is waited for, and ends it by raising.
    """
    host = Host(access, deadline, check)
    try:
        yield host
    finally:
        host.close()
