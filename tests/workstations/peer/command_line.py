"""Command lines as Windows takes them apart (CommandLineToArgvW) and finds programs for (CreateProcess)."""

from collections.abc import Iterable


def split(line: str) -> list[str]:
    """Return the arguments in a command line, the program's name first."""
    name, at = _program_name(line)
    arguments = [name]
    while at < len(line):
        while at < len(line) and line[at] in " \t":
            at += 1
        if at < len(line):
            argument, at = _argument(line, at)
            arguments.append(argument)
    return arguments


def program(line: str, known: Iterable[str]) -> str | None:
    """Return the one of the ``known`` programs that a command line starts; None where Windows finds no file.

    A path with spaces that is not quoted is tried word by word, as CreateProcess does.
    """
    files = {path.lower(): path for path in known}
    if line.startswith('"'):
        return _found(line[1:].partition('"')[0], files)
    words = line.split(" ")
    for count in range(1, len(words) + 1):
        if found := _found(" ".join(words[:count]), files):
            return found
    return None


def _found(name: str, files: dict[str, str]) -> str | None:
    wanted = name.replace("/", "\\").lower()
    for candidate in (wanted, f"{wanted}.exe"):
        for path, real in files.items():
            if candidate == path or ("\\" not in candidate and path.endswith("\\" + candidate)):
                return real
    return None


def _program_name(line: str) -> tuple[str, int]:
    if line.startswith('"'):
        end = line.find('"', 1)
        return (line[1:], len(line)) if end < 0 else (line[1:end], end + 1)
    end = next((at for at, character in enumerate(line) if character in " \t"), len(line))
    return line[:end], end


def _argument(line: str, at: int) -> tuple[str, int]:
    text, quoted = [], False
    while at < len(line):
        character = line[at]
        if character == "\\":
            run = len(line[at:]) - len(line[at:].lstrip("\\"))
            at += run
            if at < len(line) and line[at] == '"':
                text.append("\\" * (run // 2))
                if run % 2:
                    text.append('"')
                    at += 1
            else:
                text.append("\\" * run)
        elif character == '"':
            at += 1
            if quoted and line[at : at + 1] == '"':
                text.append('"')
                at += 1
            else:
                quoted = not quoted
        elif character in " \t" and not quoted:
            break
        else:
            text.append(character)
            at += 1
    return "".join(text), at
