"""The rules that a service's declaration has to keep, one set for admin, importer and API.

Pure but for looking at this machine's files and accounts. Each fault names the field and the mend.
"""

import os
import pwd
import re
import shutil
import signal
from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Protocol
from urllib.parse import urlsplit

from monitoring.states import HealthKind

_ENV_NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")


def default_success_codes() -> list[int]:
    """Return the exit codes that mean success where nothing else is declared."""
    return [0]


class Declared(Protocol):
    """The fields of a declaration that can be wrong in ways that a field's type does not show."""

    command: Any
    cwd: str
    env: Any
    user: str
    umask: str
    ports: Any
    success_exit_codes: Any
    stop_signal: str
    health_kind: str
    health_url: str
    health_port: int | None


def faults(declared: Declared) -> dict[str, list[str]]:
    """Return messages by field, empty where all is well. Reads files' metadata and the account list."""
    found: dict[str, list[str]] = defaultdict(list)
    for field, message in [
        *_command_faults(declared.command, declared.cwd),
        *_place_faults(declared.cwd, declared.user, declared.umask),
        *_env_faults(declared.env),
        *_number_faults(declared.ports, declared.success_exit_codes),
        *_signal_faults(declared.stop_signal),
        *_health_faults(declared.health_kind, declared.health_url, declared.health_port),
    ]:
        found[field].append(message)
    return dict(found)


def _command_faults(command: Any, cwd: str) -> Iterable[tuple[str, str]]:
    if not isinstance(command, list) or not command or not all(isinstance(a, str) for a in command):
        yield "command", 'Write a list of texts, such as ["python3", "server.py"].'
        return
    if any("\0" in argument for argument in command):
        yield "command", "An argument holds a NUL character; no program can be given one."
        return
    if not all(_is_whole_text(argument) for argument in command):
        yield (
            "command",
            "An argument holds half a character (a surrogate); no program can be given one.",
        )
        return
    program = command[0]
    if not program:
        yield "command", "The first part, the program, is empty."
    elif "/" not in program:
        if shutil.which(program) is None:
            yield (
                "command",
                f"There is no program {program!r} on the PATH. Give its full path or install it.",
            )
    else:
        # os.path answers False where Path would raise, as for a name that is too long.
        path = program if program.startswith("/") else os.path.join(cwd or ".", program)
        if not os.path.exists(path):
            yield "command", f"There is no file {path}. Correct the path or install the program."
        elif shutil.which(path) is None:
            yield (
                "command",
                f"{path} is not executable. Make it so (chmod +x) or name its interpreter first.",
            )


def _is_whole_text(text: str) -> bool:
    """Return whether ``text`` can leave Python: JSON can write half a character, no encoding can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _place_faults(cwd: str, user: str, umask: str) -> Iterable[tuple[str, str]]:
    if cwd and not os.path.isdir(cwd):
        yield "cwd", f"There is no directory {cwd}. Make it, or leave the field empty."
    if user:
        try:
            pwd.getpwnam(user)
        except (KeyError, ValueError):
            yield "user", f"There is no account {user!r} on this machine."
    if umask and not re.fullmatch(r"[0-7]{1,4}", umask):
        yield "umask", f"{umask!r} is not an octal number such as 027."


def _env_faults(env: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(env, Mapping):
        yield "env", 'Write names and values, such as {"PORT": "8001"}.'
        return
    for name, value in env.items():
        if not _ENV_NAME.match(str(name)):
            yield (
                "env",
                f"{name!r} is not a name for a variable: letters, digits and underscores only.",
            )
        if not _is_value(value):
            yield "env", f"The value of {name} has to be a text or a number."


def _is_value(value: Any) -> bool:
    """Return whether an environment, and a database's JSON, can hold the value."""
    if isinstance(value, str):
        return _is_whole_text(value)
    return _whole(value) or (isinstance(value, float) and isfinite(value))


def _number_faults(ports: Any, codes: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(ports, list) or not all(_whole(p) and 0 < p < 65536 for p in ports):
        yield "ports", "Write a list of port numbers from 1 to 65535, such as [8001]."
    elif len(set(ports)) != len(ports):
        yield "ports", "A port is listed twice."
    if not isinstance(codes, list) or not all(_whole(c) and 0 <= c < 256 for c in codes):
        yield "success_exit_codes", "Write a list of exit codes from 0 to 255, such as [0, 2]."


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _signal_faults(name: str) -> Iterable[tuple[str, str]]:
    if name not in signal.Signals.__members__:
        yield (
            "stop_signal",
            f"There is no signal {name!r}. Use SIGTERM, SIGINT, SIGQUIT or another name.",
        )


def _health_faults(kind: str, url: str, port: int | None) -> Iterable[tuple[str, str]]:
    if kind == HealthKind.HTTP:
        try:
            parts = urlsplit(url)
            fine = parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
        except ValueError:
            fine = False
        if not fine or re.search(r"[\s\x00-\x1f]", url):
            yield "health_url", "Write a URL such as http://127.0.0.1:8001/health."
    if kind == HealthKind.TCP and not (port and 0 < port < 65536):
        yield "health_port", "Give the port that has to accept connections."


def cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the keys along one dependency cycle (first key repeated at the end), or an empty list."""
    done: set[str] = set()
    for start in sorted(edges):
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            key, leaving = stack.pop()
            if leaving:
                trail.pop()
                on_trail.discard(key)
                done.add(key)
                continue
            if key in on_trail:
                return [*trail[trail.index(key) :], key]
            if key in done:
                continue
            trail.append(key)
            on_trail.add(key)
            stack.append((key, True))
            stack.extend((needed, False) for needed in sorted(edges.get(key, ()), reverse=True))
    return []
