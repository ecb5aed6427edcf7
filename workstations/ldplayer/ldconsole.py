"""The commands of ldconsole, each as a method: builds its arguments, runs it, and keeps what it printed.

Nothing here says that a command did what it was told: exit codes don't (see
:mod:`workstations.ldplayer.exit_codes`). Whoever changes something reads back what came of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workstations.access import Access
from workstations.exceptions import RemoteExit
from workstations.ldplayer import exit_codes
from workstations.ldplayer.interactive_task import run_on_desktop
from workstations.ldplayer.list2 import Instance, parse
from workstations.ldplayer.values import Resolution
from workstations.states import Launch
from workstations.winrm.decoding import Decoded, decoded
from workstations.winrm.quoting import quoted

if TYPE_CHECKING:
    from workstations.winrm import Host

LIST_SECONDS = 30.0
COMMAND_SECONDS = 60.0
"""For what returns at once, as most do, on a machine that is busy."""
DELETE_SECONDS = 180.0
INSTALL_SECONDS = 600.0
ADB_SECONDS = 60.0

_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Result:
    """What a command has left."""

    command: str
    """As it was written on the command line, without the program."""
    exit_code: int
    """As Windows shows it: 0 to 4,294,967,295."""
    raw: bytes
    """What it printed, as it came."""
    text: str
    """That, decoded; and what it wrote to standard error."""
    damaged: bool
    """Whether no encoding took all of it."""

    @property
    def in_words(self) -> str:
        """Return the exit code, what it may mean, and what was printed."""
        said = f": {self.text.strip()[:_SHOWN]}" if self.text.strip() else ""
        return f"ldconsole {self.command} ended with {exit_codes.in_words(self.exit_code)}{said}"


def _unheard(_text: str, _level: str = "info") -> None:
    pass


class Ldconsole:
    """ldconsole on one workstation. For the thread of its session alone.

    Each method raises what :meth:`workstations.winrm.Host.run` raises. No query.
    """

    def __init__(
        self, host: "Host", access: Access | None = None, log: Callable[[str, str], None] = _unheard
    ) -> None:
        """Take a session, and where to tell each command and what it printed (``Job.log``)."""
        self._host = host
        self._access = access or host.access
        self._log = log

    # --- looking -------------------------------------------------------------------------------
    def list2(self) -> list[Instance]:
        """Return the emulators that there are.

        Raises OutputNotUnderstood, and RemoteExit where nothing was printed by a run that failed: that
        does not mean that there are none.
        """
        result = self._run(["list2"], LIST_SECONDS, quiet=True)
        if result.exit_code != 0 and not result.raw.strip():
            raise RemoteExit(f"{result.in_words}. Try that command on {self._access.name} itself.")
        return parse(_stdout(result.raw, self._access).text)

    def adb(self, index: int, command: str) -> Result:
        """Run an adb command (``shell getprop``) on a running emulator."""
        return self._run(["adb", *_selected(index), "--command", command], ADB_SECONDS)

    # --- what runs -----------------------------------------------------------------------------
    def launch(self, index: int) -> None:
        """Have an emulator started, on the desktop of who is logged on or directly, as its access says.

        Raises NoDesktop where nobody is logged on, and RemoteExit where the task for that can't be made.
        It returns before the emulator is there.
        """
        words = ["launch", *_selected(index)]
        if self._access.launch is Launch.DIRECT:
            self._run(words, COMMAND_SECONDS)
            return
        run_on_desktop(self._host, self._access, f"start-{index}", " ".join(words), self._log)

    def quit(self, index: int) -> Result:
        """Tell an emulator to end. Its process lives on for seconds."""
        return self._run(["quit", *_selected(index)], COMMAND_SECONDS)

    def reboot(self, index: int) -> Result:
        """Restart Android in an emulator that runs."""
        return self._run(["reboot", *_selected(index)], COMMAND_SECONDS)

    def installapp(self, index: int, *, filename: str = "", package: str = "") -> Result:
        """Install an app on a running emulator: a file of the workstation, or a package from the store."""
        if bool(filename) == bool(package):
            raise ValueError("Either a file or a package is installed.")
        which = ["--filename", filename] if filename else ["--packagename", package]
        return self._run(["installapp", *_selected(index), *which], INSTALL_SECONDS)

    # --- what the list has ---------------------------------------------------------------------
    def add(self, title: str) -> Result:
        """Create an emulator. The exit code is its index."""
        return self._run(["add", "--name", title], COMMAND_SECONDS)

    def copy(self, source: int, title: str) -> Result:
        """Begin to copy an emulator; that goes on in the background when it returns.

        ``exit_codes.COPY_UNDER_WAY``: another copy is not done yet, and this one is half.
        """
        return self._run(["copy", "--name", title, "--from", str(source)], COMMAND_SECONDS)

    def remove(self, index: int) -> Result:
        """Delete an emulator. An empty one may come back in its place."""
        return self._run(["remove", *_selected(index)], DELETE_SECONDS)

    def rename(self, index: int, title: str) -> Result:
        """Give an emulator another title."""
        return self._run(["rename", *_selected(index), "--title", title], COMMAND_SECONDS)

    def modify(
        self,
        index: int,
        *,
        processors: int | None = None,
        memory_mb: int | None = None,
        resolution: Resolution | None = None,
    ) -> Result:
        """Change what an emulator has; what is None stays. Nothing happens where it runs.

        Raises RemoteExit where ldconsole refuses a value: of this command an exit code that is not 0 can
        be believed, a 0 can't.
        """
        given = {"--resolution": resolution, "--cpu": processors, "--memory": memory_mb}
        words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        if not words:
            raise ValueError("Nothing is to be changed.")
        result = self._run(["modify", *_selected(index), *words], COMMAND_SECONDS)
        if result.exit_code != 0:
            raise RemoteExit(f"{result.in_words}. Nothing was changed.")
        return result

    # --- how -----------------------------------------------------------------------------------
    def _run(self, words: Sequence[str], timeout: float, *, quiet: bool = False) -> Result:
        command = " ".join(map(quoted, words))
        if not quiet:
            self._log(f"ldconsole {command}", "info")
        output = self._host.run(self._access.ldconsole_path, words, timeout=timeout)
        printed = _stdout(output.stdout, self._access)
        complaint = decoded(output.stderr, self._access.code_page)
        text = "\n".join(part for part in (printed.text, complaint.text) if part.strip())
        damaged = printed.damaged or complaint.damaged
        result = Result(command, output.exit_code, output.stdout, text, damaged)
        self._tell(result, printed, quiet)
        return result

    def _tell(self, result: Result, printed: Decoded, quiet: bool) -> None:
        self._log(result.in_words, "debug" if quiet else "info")
        if not result.raw.isascii():  # else it is to be seen above as it came
            self._log(f"Printed, as {printed.encoding}: {result.raw[:_SHOWN]!r}", "debug")
        if result.damaged:
            self._log(
                "Some of that could not be decoded. Set the workstation's code page to what it prints in.",
                "warning",
            )


def _stdout(raw: bytes, access: Access) -> Decoded:
    return decoded(raw, access.code_page)


def _selected(index: int) -> list[str]:
    return ["--index", str(index)]
