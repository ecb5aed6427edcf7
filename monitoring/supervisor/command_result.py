"""How a command of a service ended, in words."""

from dataclasses import dataclass

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a hook, a probe or a request. ``ok``: it ran and ended with 0, in time."""

    ok: bool
    code: int | None = None
    signal: str = ""
    timed_out: bool = False
    output: str = ""
    """The last 2000 characters that it wrote, without escapes and control characters."""
    seconds: float = 0.0
    error: str = ""
    """Why it could not be started, or could not be killed."""

    def describe(self) -> str:
        """Return it in words that fit behind its name: ``exited with code 3: disk is full``."""
        words = self._how()
        if self.error and not self.timed_out:
            return words
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return f"{words}: {_cut(lines[-1])}" if lines else words

    def _how(self) -> str:
        if self.timed_out:
            words = f"was still running after {self.seconds:.3g} s and was killed"
            return f"{words} ({self.error})" if self.error else words
        if self.error:
            return f"could not be started: {self.error}"
        if self.signal:
            return f"was killed by {self.signal}"
        if self.code is not None:
            return f"exited with code {self.code}"
        return "ended; its exit code is not known"


def _cut(line: str) -> str:
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
