"""One remote shell, and the commands in it, one after another."""

import logging
import time
from collections.abc import Callable
from functools import partial

from pypsrp.shell import CommandState, Process, SignalCode, WinRS

from workstations.access import Access
from workstations.connect_failures import silence
from workstations.exceptions import (
    AuthenticationFailure,
    ConnectionLost,
    OutputNotUnderstood,
    PasswordMissing,
    ProtocolFailure,
    QuotaExceeded,
    RemoteFailure,
    ShellGone,
    TlsFailure,
    Unreachable,
)
from workstations.states import Auth
from workstations.winrm.faults import told
from workstations.winrm.patience import Patience, TooLate
from workstations.winrm.session import OPERATION_SECONDS, Connection

logger = logging.getLogger(__name__)

OPEN_SECONDS = 30.0
"""To connect, log in and open a shell, all together."""
SILENCE_SECONDS = OPERATION_SECONDS + 10.0
"""Without any answer for so long, the connection is taken for lost."""
TIDY_SECONDS = 5.0
"""To stop what runs and close the shell, where something has gone wrong, or at the end."""
IDLE_SECONDS = 180
"""A shell that could not be closed is closed by the workstation after so long, instead of two hours."""
MOST_COMMANDS = 200
"""Each command counts against the user's quota until its shell is closed, even an ended one."""
MOST_OUTPUT = 16 * 1024 * 1024
_UTF_8 = 65001


class Shell:
    """A shell that is opened when it is needed and opened anew where it is used up. For one thread."""

    def __init__(self, access: Access, patience: Patience) -> None:
        """Take how the workstation is reached; connects to nothing. Raises TlsFailure, PasswordMissing."""
        if access.auth is Auth.NTLM and not (access.username and access.password):
            missing = "password" if access.username else "user name"
            raise PasswordMissing(f"There is no {missing} to log in to {access.name} with. Enter it.")
        self._access = access
        self._patience = patience
        self._connection = Connection(access, patience)
        self._winrs: WinRS | None = None
        self._ended: Process | None = None
        self.commands = 0
        """How many have ended in the shell that is open."""
        self.begun = False
        """The last command may have begun; False only where the workstation has refused it."""

    def open(self, end: float, *, anew: bool = False) -> None:
        """Have a shell before ``end`` (monotonic), the open one or a new one. Raises a RemoteFailure."""
        if self._winrs is not None and (anew or self.commands >= MOST_COMMANDS):
            self._tidy_up()
        if self._winrs is not None:
            return
        now = time.monotonic()
        seconds = min(OPEN_SECONDS, max(end - now, 0.0))
        winrs = WinRS(self._connection.wsman, codepage=_UTF_8, idle_time_out=IDLE_SECONDS)
        try:
            with self._patience.until(now + seconds, lambda: self._silence(round(seconds, 1))):
                self._ask(winrs.open, "")
        except BaseException:
            self._connection.give_up()
            raise
        self._winrs, self.commands, self._ended = winrs, 0, None

    def run(self, program: str, words: list[str], name: str, stdin: bytes) -> tuple[int, bytes, bytes]:
        """Run a command to its end: exit code, stdout, stderr. The patience's end is its own.

        Raises a RemoteFailure, or what the patience raises; the command is stopped and the shell closed
        then, so far as that is possible.
        """
        if self._winrs is None:
            raise RuntimeError("A shell is opened before something is run in it.")
        self.begun = False
        process = Process(self._winrs, program, words, no_shell=True)
        try:
            self._release()
            self._begin(process, name)
            self._feed(process, name, stdin)
            self._follow(process, name)
            if process.rc is None:
                raise ProtocolFailure(f"{self._access.name} did not say how {name} ended.")
        except BaseException as error:
            if isinstance(error, AuthenticationFailure | TlsFailure | ShellGone):
                # There is nothing to stop, or nobody who would let us; each try may lock the account.
                self._forget()
            else:
                self._tidy_up(process)
            raise
        self.commands += 1
        self._ended = process
        return process.rc & 0xFFFFFFFF, process.stdout, process.stderr

    def _silence(self, seconds: float) -> Unreachable:
        access = self._access
        if self._connection.line.socket is None:
            return silence(access.host, access.port, seconds)
        return Unreachable(
            f"{access.name} accepts connections on port {access.port}, but has not let us in within "
            f"{seconds:g} s: its WinRM hangs, or something else listens there. Restart its service WinRM."
        )

    def _begin(self, process: Process, name: str) -> None:
        self.begun = True
        try:
            self._ask(process.begin_invoke, f"{name} was being started")
        except (ShellGone, QuotaExceeded):
            self.begun = False
            raise
        if not process.id:
            raise ProtocolFailure(f"{self._access.name} did not say that {name} was started.")

    def _feed(self, process: Process, name: str, stdin: bytes) -> None:
        most = self._connection.wsman.max_payload_size
        for start in range(0, len(stdin), most):
            last = start + most >= len(stdin)
            piece = stdin[start : start + most]
            self._ask(partial(process.send, piece, end=last), f"{name} was given its input")

    def _follow(self, process: Process, name: str) -> None:
        while process.state != CommandState.DONE:
            self._patience.go_on()
            hold = max(1, min(OPERATION_SECONDS, int(self._patience.left)))
            self._ask(partial(process.poll_invoke, timeout=hold), f"{name} was running")
            if len(process.stdout) + len(process.stderr) > MOST_OUTPUT:
                raise OutputNotUnderstood(
                    f"{name} on {self._access.name} printed more than {MOST_OUTPUT >> 20} MiB. "
                    "It was told to stop."
                )

    def close(self) -> None:
        """Close the shell and the connection, within TIDY_SECONDS. Raises nothing."""
        if self._winrs is not None:
            self._tidy_up()
        self._connection.close()

    def _ask(self, request: Callable[[], object], doing: str) -> None:
        """Send one request and wait for its answer, in our exceptions. ``doing``: what could get lost."""
        access = self._access

        def lost() -> RemoteFailure:
            return ConnectionLost(
                f"{access.name} has not answered for {SILENCE_SECONDS:g} s while {doing}; what became "
                "of it is not known."
            )

        end = time.monotonic() + SILENCE_SECONDS if doing else float("inf")
        with told(access, doing), self._patience.until(end, lost):
            self._connection.prepare()
            request()

    def _release(self) -> None:
        """Let the workstation forget the last command. Not at once: closing the shell does it, too."""
        if self._ended is not None:
            ended, self._ended = self._ended, None
            self._ask(lambda: ended.signal(SignalCode.TERMINATE), "an ended program was being released")

    def _tidy_up(self, process: Process | None = None) -> None:
        """Stop ``process``, close the shell and hang up, all within TIDY_SECONDS. Raises nothing."""
        winrs = self._winrs
        try:
            with self._patience.tidying(TIDY_SECONDS):
                if process is not None:
                    # An answer may be under way: only a connection of its own takes another request.
                    self._connection.give_up()
                    if process.id:
                        self._ask(lambda: process.signal(SignalCode.TERMINATE), "it was being stopped")
                if winrs is not None:
                    self._ask(winrs.close, "its shell was being closed")
        except (RemoteFailure, TooLate) as failure:
            logger.info(
                "a shell on %s could not be closed and expires in %d s: %s",
                self._access.name,
                IDLE_SECONDS,
                failure or type(failure).__name__,
            )
            self._connection.give_up()
        finally:
            self._forget(hang_up=process is not None)

    def _forget(self, *, hang_up: bool = True) -> None:
        self._winrs, self._ended, self.commands = None, None, 0
        if hang_up:
            self._connection.give_up()
