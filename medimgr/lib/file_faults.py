"""What is wrong with a file of declarations: every fault with its place and its mend."""

from collections.abc import Sequence
from dataclasses import dataclass

from medimgr.lib.branches import ValidationProblem


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``line`` counts from 1; 0 where no line can be named."""

    file: str
    line: int
    key: str
    """Where it stands, as in ``services.backend.command``; empty where the file itself is the fault."""
    message: str
    """What is wrong and what to do."""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class FileProblem(ValidationProblem):
    """The file declares something wrongly; nothing of it was imported."""

    code = "bad-declaration"
    status = 422
    remedy = "Correct each line that is named, then import the file again."

    def __init__(self, file: str, faults: Sequence[Fault]) -> None:
        """Take all faults of ``file``; they are told by file, in the order of lines."""
        self.faults = sorted(faults, key=lambda fault: (fault.file, fault.line, fault.key, fault.message))
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        errors: dict[str, list[str]] = {}
        for fault in self.faults:
            told = f"line {fault.line}: {fault.message}" if fault.line else fault.message
            errors.setdefault(fault.key or "file", []).append(told)
        super().__init__(f"{file} has {count}; nothing was imported.\n{lines}", errors=errors)
