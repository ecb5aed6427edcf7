"""WinRS shells and the commands in them, which are real processes."""

import contextlib
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.workstations.peer import program
from tests.workstations.peer.machine_directory import MachineDirectory
from tests.workstations.peer.program import Call

TERMINATED = 1223
CONTROL_C = 0xC000013A


@dataclass
class Command:
    """One command: what it has written that nobody has fetched yet, and how it ended."""

    line: str
    arguments: list[str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    exit_code: int | None = None
    told: bool = False
    """Its end was told to the client."""
    _streams: dict[str, bytearray] = field(
        default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()}, repr=False
    )
    _news: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _stdin: bytearray = field(default_factory=bytearray, repr=False)
    _stdin_ended: threading.Event = field(default_factory=threading.Event, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, repr=False)

    def start(
        self, name: str, machine: MachineDirectory, user: str, quotas: dict[str, int], *, in_process: bool
    ) -> None:
        """Run the simulated program of this name."""
        call = Call(machine, self.arguments, program.SERVICES, self._whole_stdin, user, quotas)
        if in_process:
            outcome = program.run(name, call)
            self._take("stdout", outcome.stdout)
            self._take("stderr", outcome.stderr)
            self._end(outcome.exit_code)
            return
        told, tell = os.pipe()
        try:
            self._process = subprocess.Popen(
                program.command(name, self.arguments),
                cwd=program.ROOT,
                env=program.environment(call, tell),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(tell,),
                start_new_session=True,
            )
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(tell)
        for target, arguments in (
            (self._read, ("stdout",)),
            (self._read, ("stderr",)),
            (self._wait, (told,)),
        ):
            thread = threading.Thread(target=target, args=arguments, name="peer-command", daemon=True)
            self._threads.append(thread)
            thread.start()

    def fetch(self, limit: int, pieces: int) -> tuple[list[tuple[str, bytes]], int | None]:
        """Return what was written since, in pieces of ``limit`` bytes, and the exit code when all is had."""
        found: list[tuple[str, bytes]] = []
        with self._news:
            for name, waiting in self._streams.items():
                while waiting and len(found) < pieces:
                    piece = bytes(waiting[: limit or len(waiting)])
                    del waiting[: len(piece)]
                    found.append((name, piece))
            ended = self.exit_code is not None and not any(self._streams.values())
            self.told = self.told or ended
            return found, self.exit_code if ended else None

    def wait(self, seconds: float) -> bool:
        """Wait for news; return whether there is any."""
        with self._news:
            return self._news.wait_for(
                lambda: any(self._streams.values()) or self.exit_code is not None, max(seconds, 0.0)
            )

    def send(self, data: bytes, *, end: bool) -> None:
        """Pass input on to it."""
        if self._process is None or self._process.stdin is None:
            self._stdin += data
            if end:
                self._stdin_ended.set()
            return
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(data)
            self._process.stdin.flush()
            if end:
                self._process.stdin.close()

    def stop(self, exit_code: int) -> None:
        """Kill it with all that it has started; nothing happens where it has ended."""
        with self._news:
            if self.exit_code is None:
                self.exit_code = exit_code
            self._news.notify_all()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait until its threads and its process are gone."""
        for thread in self._threads:
            thread.join(10)

    @property
    def runs(self) -> bool:
        """Return whether it has not ended."""
        return self.exit_code is None

    def _whole_stdin(self) -> bytes:
        self._stdin_ended.wait(1)
        return bytes(self._stdin)

    def _take(self, name: str, data: bytes) -> None:
        with self._news:
            self._streams[name] += data
            self._news.notify_all()

    def _end(self, exit_code: int) -> None:
        with self._news:
            if self.exit_code is None:
                self.exit_code = exit_code
            self._news.notify_all()

    def _read(self, name: str) -> None:
        assert self._process is not None
        pipe = self._process.stdout if name == "stdout" else self._process.stderr
        assert pipe is not None
        while data := os.read(pipe.fileno(), 65536):
            self._take(name, data)

    def _wait(self, told: int) -> None:
        assert self._process is not None
        try:
            for thread in self._threads[:2]:
                thread.join()
            self._process.wait()
            answer = os.read(told, 20)
        finally:
            os.close(told)
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._end(int(answer) if answer else TERMINATED)


@dataclass
class Shell:
    """A shell, and when somebody last asked for it."""

    user: str
    idle_seconds: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    code_page: str = ""
    commands: dict[str, Command] = field(default_factory=dict)
    begun: int = 0
    """How many commands it has had."""
    asked_at: float = field(default_factory=time.monotonic)

    def idle(self) -> bool:
        """Return whether it has expired: nobody has asked for too long, and nothing runs."""
        return time.monotonic() - self.asked_at > self.idle_seconds

    def close(self) -> None:
        """End all that runs in it: what a shell has started dies with it."""
        for command in self.commands.values():
            command.stop(TERMINATED)


class Shells:
    """The shells of one machine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shells: dict[str, Shell] = {}
        self._closed: list[Shell] = []

    def open(self, make: Callable[[], Shell], most: int) -> Shell | None:
        """Open a shell, None where the user has as many as is allowed."""
        with self._lock:
            self._expire()
            if len(self._shells) >= most:
                return None
            shell = make()
            self._shells[shell.id] = shell
            return shell

    def find(self, shell_id: str) -> Shell | None:
        """Return an open shell, which lives on by being asked for."""
        with self._lock:
            self._expire()
            shell = self._shells.get(shell_id.upper())
            if shell is not None:
                shell.asked_at = time.monotonic()
            return shell

    def close(self, shell_id: str) -> bool:
        """Close one; return whether there was one."""
        with self._lock:
            shell = self._shells.pop(shell_id.upper(), None)
            if shell is not None:
                shell.close()
                self._closed.append(shell)
            return shell is not None

    def close_all(self) -> None:
        """Close every shell, as the end of the service or of their time does."""
        for shell_id in self.ids():
            self.close(shell_id)

    def ids(self) -> list[str]:
        """Return the open shells."""
        with self._lock:
            self._expire()
            return list(self._shells)

    def running(self) -> list[Command]:
        """Return the commands that have not ended."""
        with self._lock:
            return [one for shell in self._shells.values() for one in shell.commands.values() if one.runs]

    def join(self) -> None:
        """Close all, and wait until nothing of them is left."""
        self.close_all()
        for shell in self._closed:
            for command in shell.commands.values():
                command.join()

    def _expire(self) -> None:
        for shell in [shell for shell in self._shells.values() if shell.idle()]:
            del self._shells[shell.id]
            shell.close()
            self._closed.append(shell)
