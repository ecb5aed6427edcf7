"""``ExecStart=`` and its like: prefixes, several commands in one, variables (systemd.service(5))."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from medimgr.lib.redact import looks_secret
from monitoring.importers.commands import SHELL, Command, by_shell_with
from monitoring.importers.shell_words import Variable, Word
from monitoring.importers.systemd_text import BadValue, Piece, resolve, split

_PREFIXES = "-@:+!|"
_BRACED = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_KILL = re.compile(r"(?:/usr)?(?:/bin/)?kill")
RUNTIME = {"MAINPID": "MEDIMGR_PID", "EXIT_STATUS": "MEDIMGR_EXIT_CODE"}
"""Variables of systemd's that have another name here."""
_ONLY_AT_RUN_TIME = frozenset({"MEDIMGR_PID", "MEDIMGR_EXIT_CODE", "NOTIFY_SOCKET"})


@dataclass(frozen=True, slots=True)
class Exec:
    """One command of a unit."""

    words: list[Word]
    ignores_failure: bool = False
    remarks: list[str] = field(default_factory=list)

    @property
    def stop_signal(self) -> str:
        """Return the signal where all that it does is to send one to the main process, else nothing."""
        parts = [word[0] if len(word) == 1 else None for word in self.words]
        if len(parts) < 2 or not isinstance(parts[0], str) or not _KILL.fullmatch(parts[0]):
            return ""
        *options, target = parts[1:]
        if not (isinstance(target, Variable) and target.name == RUNTIME["MAINPID"]):
            return ""
        texts = [option for option in options if isinstance(option, str)]
        match texts:
            case []:
                return "TERM"
            case ["-s", name]:
                return name.removeprefix("SIG")
            case [name] if name.startswith("-") and name != "-s":
                return name[1:].removeprefix("SIG")
        return ""


def parse(text: str, known: Mapping[str, Callable[[], str]]) -> list[Exec]:
    """Return the commands of one setting; ``;`` parts them. Raises BadValue."""
    found: list[Exec] = []
    pieces: list[Piece] = []
    for piece in [*split(text), None]:
        if piece is None or (piece.plain and piece.text == ";"):
            if pieces:
                found.append(_one(pieces, known))
            pieces = []
        else:
            pieces.append(piece)
    if not found:
        raise BadValue("There is no program in it.")
    return found


def _one(pieces: list[Piece], known: Mapping[str, Callable[[], str]]) -> Exec:
    path = pieces[0].text
    prefixes = path[: len(path) - len(path.lstrip(_PREFIXES))]
    rest = [piece.text for piece in pieces[1:]]
    program = resolve(path[len(prefixes) :], known)
    remarks = []
    if "@" in prefixes and rest:
        remarks.append("@: a program is called by its own name here, not by that of the second word.")
        rest = rest[1:]
    if any(sign in prefixes for sign in "+!"):
        remarks.append("+ and !: it runs as the user of the service here, without more rights.")
    if "|" in prefixes:
        remarks.append("|: it is not run by a login shell here.")
    if not program:
        raise BadValue("There is no program in it.")
    # A backslash keeps a semicolon from parting commands.
    texts = [";" if text == "\\;" else resolve(text, known) for text in rest]
    words: list[Word] = [(program,)]
    words += [(text,) if ":" in prefixes else _word(text) for text in texts]
    return Exec(words, "-" in prefixes, remarks)


def _word(text: str) -> Word:
    """Take variables out of a word: ``$NAME`` where it is all of it, ``${NAME}`` anywhere; ``$$`` is a $."""
    if whole := _WHOLE.fullmatch(text):
        return (Variable(RUNTIME.get(whole[1], whole[1]), quoted=False),)
    parts: list[str | Variable] = []
    at = 0
    for found in _BRACED.finditer(text):
        parts.append(text[at : found.start()])
        if found[1]:
            parts.append(Variable(RUNTIME.get(found[1], found[1]), quoted=True))
        else:
            parts.append("$")
        at = found.end()
    parts.append(text[at:])
    joined: list[str | Variable] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined) or ("",)


def as_command(commands: list[Exec], env: Mapping[str, str]) -> Command:
    """Return one command for all of them: one after the other, as long as they succeed."""
    if len(commands) == 1 and not commands[0].ignores_failure:
        return _single(commands[0], env)
    told: list[str] = []
    unknown: list[str] = []
    for command in commands:
        single = _single(command, env)
        unknown += single.unknown
        inner = single.arguments
        text = inner[2].removeprefix("exec ") if single.needs_shell else shlex.join(inner)
        told.append(f"{{ {text} || :; }}" if command.ignores_failure else text)
    reason = "several commands" if len(commands) > 1 else "a - before it (its failure does not count)"
    return Command(
        [SHELL, "-c", " && ".join(told)], needs_shell=reason, unknown=tuple(dict.fromkeys(unknown))
    )


def _single(command: Exec, env: Mapping[str, str]) -> Command:
    for word in command.words:
        for part in word:
            if isinstance(part, Variable) and (reason := _only_a_shell(part, env)):
                declared = dict.fromkeys(_ONLY_AT_RUN_TIME, "") | dict(env)
                return by_shell_with(command.words, reason, declared)
    arguments: list[str] = []
    for word in command.words:
        if len(word) == 1 and isinstance(word[0], Variable) and not word[0].quoted:
            arguments += env[word[0].name].split()
        else:
            arguments.append("".join(p if isinstance(p, str) else env[p.name] for p in word))
    return Command(arguments)


def _only_a_shell(variable: Variable, env: Mapping[str, str]) -> str:
    if variable.name not in env:
        return f"${variable.name}"
    if looks_secret(variable.name, env[variable.name]):
        return f"${variable.name}, whose value is kept out of the command"
    value = env[variable.name]
    return f"${variable.name}" if not variable.quoted and re.search(r"[\"'\\]", value) else ""
