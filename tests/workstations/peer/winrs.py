"""Answers WSMan requests for one machine: shells, commands, their output, their end."""

import base64
import time
from collections.abc import Callable

from tests.workstations.peer import command_line, program, soap
from tests.workstations.peer.faults import Faults, Quotas
from tests.workstations.peer.machine_directory import MachineDirectory
from tests.workstations.peer.shells import CONTROL_C, TERMINATED, Command, Shell, Shells
from tests.workstations.peer.soap import Fault, Request

WINDOWS = r"C:\Windows\System32"
PROGRAMS = (
    rf"{WINDOWS}\WindowsPowerShell\v1.0\powershell.exe",
    r"C:\Peer\sample.exe",
)
_LINE = 32767
_LOOK_SECONDS = 0.2
_PIECE = 64 * 1024


class WinRS:
    """The remote shell service of one machine."""

    def __init__(
        self, directory: MachineDirectory, faults: Faults, quotas: Quotas, *, in_process: bool
    ) -> None:
        self.shells = Shells()
        self.history: list[Command] = []
        """Every command that was begun, the last one last."""
        self._directory = directory
        self._faults = faults
        self._quotas = quotas
        self._in_process = in_process

    def answer(self, request: Request, user: str, gone: Callable[[], bool]) -> str:
        """Return the body of the answer. Raises Fault. ``gone`` tells that nobody waits for it any more."""
        if self._faults.strikes("access_denied"):
            raise Fault(soap.ACCESS_DENIED, "w:AccessDenied", "Access is denied. ")
        if request.action == "Create":
            return self._create(request, user)
        if self._faults.strikes("expired_shell"):
            self.shells.close(request.shell_id)
        if request.action == "Delete":
            if not self.shells.close(request.shell_id):
                raise _no_shell(request.shell_id)
            self._end_players()
            return ""
        shell = self.shells.find(request.shell_id)
        if shell is None:
            raise _no_shell(request.shell_id)
        if request.action == "Command":
            return self._command(request, shell)
        command = shell.commands.get(request.command_id())
        if command is None:
            raise _no_shell(request.shell_id)
        if request.action == "Receive":
            return self._receive(request, command, gone)
        if request.action == "Send":
            stream = request.body.find(".//rsp:Stream", soap.NAMES)
            if stream is not None:
                ends = stream.attrib.get("End", "").lower() == "true"
                command.send(base64.b64decode(stream.text or ""), end=ends)
            return "<rsp:SendResponse/>"
        if request.action == "Signal":
            command.stop(CONTROL_C if "ctrl" in request.text("Code") else TERMINATED)
            return "<rsp:SignalResponse/>"
        raise Fault(
            soap.NOT_SUPPORTED, "w:ActionNotSupported", f"The action {request.action} is not supported."
        )

    def _end_players(self) -> None:
        with self._directory.locked() as state:
            for instance in state.instances if state.quirks.players_die_with_shell else []:
                if instance.in_session_0:
                    instance.end(time.time())

    def _create(self, request: Request, user: str) -> str:
        idle = soap.seconds(request.text("IdleTimeOut") or "PT7200S")
        most = self._quotas.shells
        shell = None
        if not self._faults.strikes("quota_on_create"):
            pages = request.options.get("WINRS_CODEPAGE", "")
            shell = self.shells.open(lambda: Shell(user, idle, code_page=pages), most)
        if shell is None:
            raise Fault(
                soap.TOO_MANY_SHELLS,
                "w:QuotaLimit",
                "The WS-Management service cannot process the request. This user is allowed a maximum "
                f"number of {most} concurrent shells, which has been exceeded. Close existing shells or "
                "raise the quota for this user. ",
            )
        return soap.created(shell.id, user, idle)

    def _command(self, request: Request, shell: Shell) -> str:
        running = sum(command.runs for command in shell.commands.values())
        if (
            self._faults.strikes("quota_on_command")
            or running >= self._quotas.processes_per_shell
            or shell.begun >= self._quotas.operations
        ):
            raise Fault(
                soap.TOO_MANY_OPERATIONS,
                "w:QuotaLimit",
                "The WS-Management service cannot process the request. This user is allowed a maximum "
                f"number of {self._quotas.operations} concurrent operations, which has been exceeded. Close "
                "existing operations for this user, or raise the quota for this user. ",
            )
        line = " ".join([request.text("Command"), *request.texts("Arguments")])
        path = self._program(line)
        command = Command(line, command_line.split(line)[1:])
        if command_id := request.command_id():
            command.id = command_id
        shell.begun += 1
        shell.commands[command.id] = command
        self.history.append(command)
        name = program.name_of(path)
        assert name is not None
        command.start(name, self._directory, shell.user, vars(self._quotas), in_process=self._in_process)
        return soap.began(command.id)

    def _program(self, line: str) -> str:
        with self._directory.locked() as state:
            ldconsole, elevated = state.ldconsole, state.quirks.elevated
            known = [*PROGRAMS, *([ldconsole] if state.ldplayer else [])]
        path = command_line.program(line, known) if len(line) <= _LINE else None
        if path is None:
            raise Fault(soap.FILE_NOT_FOUND, "w:InternalError", "The system cannot find the file specified. ")
        if path == ldconsole and not elevated:
            raise Fault(
                soap.NEEDS_ELEVATION, "w:InternalError", "The requested operation requires elevation. "
            )
        return path

    def _receive(self, request: Request, command: Command, gone: Callable[[], bool]) -> str:
        end = time.monotonic() + request.timeout
        while not command.wait(min(_LOOK_SECONDS, end - time.monotonic())):
            if time.monotonic() >= end or gone():
                raise Fault(
                    soap.OPERATION_TIMEOUT,
                    "w:TimedOut",
                    "The WS-Management service cannot complete the operation within the time specified in "
                    "OperationTimeout. ",
                )
        cut = self._faults.chunk_bytes
        pieces, exit_code = command.fetch(cut or _PIECE, self._faults.chunks_per_receive if cut else 4)
        with self._directory.locked() as state:
            signed = state.quirks.signed_exit_codes
        if exit_code is not None and signed and exit_code >= 2**31:
            exit_code -= 2**32
        return soap.received(command.id, pieces, exit_code)


def _no_shell(shell_id: str) -> Fault:
    return Fault(
        soap.SHELL_NOT_FOUND,
        "w:InvalidSelectors",
        f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell was not "
        "found on the server. Possible causes are: the specified ShellId is incorrect or the shell no longer "
        "exists on the server. ",
    )
