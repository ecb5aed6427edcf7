"""Texts to import: files of this machine, or what somebody pasted or uploaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitoring.importers.faults import Fault, ImportProblem

LARGEST_FILE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One text with its name."""

    name: str
    """As messages call it: a path, or the name of an uploaded file."""
    text: str
    directory: str = ""
    """Where it stands on the node, without a slash at its end; empty where nobody said."""
    local: bool = False
    """It is a file of this machine, given by somebody with a shell: what it names may be read too."""

    @property
    def base_name(self) -> str:
        """Return the name without its directory."""
        return self.name.replace("\\", "/").rsplit("/", 1)[-1]

    def neighbour(self, path: Path) -> "Source":
        """Read another file that this one names. Raises ImportProblem, and FileNotFoundError."""
        return read_file(path, missing_ok=True)


@dataclass(frozen=True, slots=True)
class Options:
    """What whoever imports adds to the files."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """The environment at hand: what ``%(ENV_X)s`` and ``$X`` may be."""
    env: str = ""
    """Which environment is wanted: PM2's ``env_NAME``, or the file of variables beside a Procfile."""


def read_file(path: Path, *, missing_ok: bool = False) -> Source:
    """Read a file of this machine. Raises ImportProblem where it is no text or too large.

    A file that is not there raises FileNotFoundError with ``missing_ok``, ImportProblem without.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        if missing_ok and isinstance(error, FileNotFoundError):
            raise
        raise _refusal(
            str(path), f"It cannot be read: {error.strerror}. Check the path and its permissions."
        ) from None
    except ValueError:  # a NUL in its name
        raise _refusal(str(path), "There can be no file of that name.") from None
    return from_bytes(str(path), content, directory=str(path.resolve().parent), local=True)


def from_bytes(
    name: str, content: bytes, *, directory: str = "", local: bool = False, largest: int = LARGEST_FILE
) -> Source:
    """Return ``content`` as a source. Raises ImportProblem where it is no text or too large."""
    if len(content) > largest:
        raise _refusal(
            name, f"It is larger than {largest // 1024 // 1024} MiB; that is no file of declarations."
        )
    try:
        # An editor on Windows may begin the file with a byte order mark.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refusal(name, "It is not UTF-8 text. Save it as UTF-8.", line) from None
    return Source(name, text, directory, local)


def _refusal(name: str, message: str, line: int = 0) -> ImportProblem:
    return ImportProblem(name, [Fault(name, line, "", message)])
