"""Turns a command line of another program's file into the list of arguments that medimgr runs.

What can be expanded is expanded. What only a shell can run goes to ``/bin/sh -c``, and that is told.
Values of variables that look like secrets are never put into a command, where ``ps`` would show them.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from medimgr.lib.redact import looks_secret
from monitoring.importers.shell_words import Line, NeedsShell, Variable, Word, parse
from monitoring.supervisor.child_environment import INHERITED

SHELL = "/bin/sh"
_PATTERN_CHARACTERS = frozenset("*?[]\\")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as medimgr runs it, and what has to be said about it."""

    arguments: list[str]
    env: dict[str, str] = field(default_factory=dict)
    """Variables that the line itself sets."""
    needs_shell: str = ""
    """Why it goes to a shell, as in "a pipe or ||"; empty where it does not."""
    unknown: tuple[str, ...] = ()
    """Variables that nobody has declared."""

    def remarks(self) -> list[str]:
        """Return in words what is not as it was."""
        said = []
        if self.needs_shell:
            said.append(f"It is run by {SHELL} -c, since it has {self.needs_shell}.")
        if self.unknown:
            said.append(
                f"Nothing here says what {_listed(self.unknown)} will be: a service finds only the variables "
                f"under env, and {', '.join(sorted(INHERITED)[:4])} and the like. Add it to env."
            )
        return said


def from_shell(text: str, env: Mapping[str, str]) -> Command:
    """Return the command for a line that was written for a shell. Raises BrokenQuoting, and EmptyCommand."""
    try:
        line = parse(text)
        return _simple(line, env)
    except NeedsShell as needed:
        return _by_shell(text, str(needed), env)


class EmptyCommand(ValueError):
    """There is no program in it."""


def _simple(line: Line, env: Mapping[str, str]) -> Command:
    if not line.words:
        raise EmptyCommand("There is no program in it.")
    own: dict[str, str] = {}
    for name, word in line.assignments.items():
        # Left to right, and each sees those before; the words of the command see none of them.
        own[name] = _text(word, {**env, **own}, secrets=True)
    arguments = [text for word in line.words for text in _texts(word, env)]
    if not arguments:
        raise EmptyCommand("There is no program in it.")
    return Command(arguments, own)


def _texts(word: Word, env: Mapping[str, str]) -> list[str]:
    """Return what a word becomes: one argument, or as many as an unquoted value has words."""
    whole = word[0] if len(word) == 1 else None
    if isinstance(whole, Variable) and not whole.quoted:
        return _text(word, env, split=True).split()
    return [_text(word, env)]


def _text(word: Word, env: Mapping[str, str], *, split: bool = False, secrets: bool = False) -> str:
    said = ""
    for part in word:
        if isinstance(part, str):
            said += part
            continue
        value = _value(part, env)
        if not secrets and looks_secret(part.name, value):
            raise NeedsShell(f"${part.name}, whose value is kept out of the command")
        if not part.quoted and not secrets and _would_change(value, split=split):
            raise NeedsShell(f"${part.name}, whose value a shell would take apart")
        said += value
    return said


def _value(variable: Variable, env: Mapping[str, str]) -> str:
    value = env.get(variable.name)
    if variable.default is not None and (value is None or (variable.default_if_empty and not value)):
        return variable.default
    if value is None:
        raise NeedsShell(f"${variable.name}")
    return value


def _would_change(value: str, *, split: bool) -> bool:
    """Return whether a shell would make something else of an unquoted value than its words."""
    return bool(_PATTERN_CHARACTERS & set(value)) or (not split and (not value or value.split() != [value]))


def _by_shell(text: str, reason: str, env: Mapping[str, str]) -> Command:
    return Command([SHELL, "-c", text.strip()], needs_shell=reason, unknown=_unknown(text, env))


def _unknown(text: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a line for a shell mentions and nobody declares, as far as its words can be told apart."""
    try:
        line = parse(text)
    except ValueError:
        return ()
    names = {v.name for v in line.variables() if v.default is None}
    names -= {*env, *line.assignments, *INHERITED}
    return tuple(sorted(names))


def by_shell_with(words: list[Word], reason: str, env: Mapping[str, str]) -> Command:
    """Return a command whose variables a shell fills in when it starts, each argument staying one."""
    text = "exec " + " ".join(_for_shell(word) for word in words)
    names = {part.name for word in words for part in word if isinstance(part, Variable)}
    unknown = tuple(sorted(names - {*env, *INHERITED}))
    return Command([SHELL, "-c", text], needs_shell=reason, unknown=unknown)


def _for_shell(word: Word) -> str:
    said = "".join(
        (shlex.quote(part) if part else "")
        if isinstance(part, str)
        else (f'"${{{part.name}}}"' if part.quoted else f"${{{part.name}}}")
        for part in word
    )
    return said or "''"


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(f"${name}" for name in names[:5])
