"""What a single value may be: whole numbers, texts that can leave Python, URLs, commands."""

import os
import re
import shutil
from typing import Any
from urllib.parse import urlsplit

from monitoring import per_copy
from monitoring.declaration.declared import Declared

COMMAND_EXPECTED = 'Write a list of texts, such as ["python3", "server.py"].'


def is_whole(value: Any) -> bool:
    """Return whether ``value`` is a whole number; JSON's true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Return whether ``value`` is a text that can leave Python.

    JSON can write half a character, which no encoding can, and NUL, which no program can be given.
    """
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def is_port(value: Any) -> bool:
    """Return whether ``value`` is the number of a TCP port."""
    return is_whole(value) and 0 < value < 65536


def is_http_url(url: Any) -> bool:
    """Return whether ``url`` is one that can be asked over plain HTTP."""
    if not is_text(url):
        return False
    try:
        parts = urlsplit(url)
        fine = parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        return False
    return fine and not re.search(r"[\s\x00-\x1f]", url)


def as_a_copy(text: Any, declared: Declared) -> Any:
    """Return ``text`` as this one of several copies gets it; unchanged where a service has no copies."""
    copies, number = declared.instances, declared.instance
    several = (is_whole(copies) and copies > 1) or (is_whole(number) and number > 0)
    ports = declared.ports if isinstance(declared.ports, list) else []
    return per_copy.filled(text, number if is_whole(number) else 0, ports) if several else text


def command_fault(command: Any, cwd: Any) -> str:
    """Return what is wrong with a command that is to be run in ``cwd``, empty where nothing is.

    Looks for the program: on the PATH, or as a file, relative to ``cwd`` where its path is.
    """
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        return COMMAND_EXPECTED
    if any("\0" in part for part in command):
        return "An argument holds a NUL character; no program can be given one."
    if not all(is_text(part) for part in command):
        return "An argument holds half a character (a surrogate); no program can be given one."
    program = command[0]
    if not program:
        return "The first part, the program, is empty."
    if "/" not in program:
        if shutil.which(program) is None:
            return f"There is no program {program!r} on the PATH. Give its full path or install it."
        return ""
    # os.path answers False where Path would raise, as for a name that is too long.
    home = cwd if isinstance(cwd, str) and cwd else "."
    path = program if program.startswith("/") else os.path.join(home, program)
    if not os.path.exists(path):
        return f"There is no file {path}. Correct the path or install the program."
    if shutil.which(path) is None:
        return f"{path} is not executable. Make it so (chmod +x) or name its interpreter first."
    return ""
