"""Rules for what is run, as whom, and within which limits of the system."""

import grp
import os
import pwd
import re
import resource
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from monitoring.declaration.declared import Declared
from monitoring.declaration.values import command_fault, is_text, is_whole

_ENV_NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")
# Names as prlimit(1) has them; OFILE is an old word for NOFILE.
LIMIT_NAMES = sorted(
    name.removeprefix("RLIMIT_").lower()
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
)
UNLIMITED = "unlimited"
_GREATEST_LIMIT = 2**63 - 1


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    if fault := command_fault(declared.command, declared.cwd):
        yield "command", fault
    yield from _place_faults(declared.cwd, declared.umask)
    yield from _account_faults(declared.user, declared.user_group)
    yield from _env_faults(declared.env)
    yield from _limit_faults(declared.rlimits)


def _place_faults(cwd: Any, umask: Any) -> Iterable[tuple[str, str]]:
    if cwd and not (isinstance(cwd, str) and os.path.isdir(cwd)):
        yield "cwd", f"There is no directory {cwd}. Make it, or leave the field empty."
    if umask and not (isinstance(umask, str) and re.fullmatch(r"[0-7]{1,4}", umask)):
        yield "umask", f"{umask!r} is not an octal number such as 027."


def _account_faults(user: Any, group: Any) -> Iterable[tuple[str, str]]:
    if user:
        try:
            pwd.getpwnam(user)
        except (KeyError, ValueError, TypeError):
            yield "user", f"There is no account {user!r} on this machine."
    if group:
        try:
            grp.getgrnam(group)
        except (KeyError, ValueError, TypeError):
            yield (
                "user_group",
                f"There is no group {group!r} on this machine. Make it (groupadd) or leave it empty.",
            )


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
        return is_text(value)
    return is_whole(value) or (isinstance(value, float) and isfinite(value))


def _limit_faults(limits: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(limits, Mapping):
        yield "rlimits", 'Write names and limits, such as {"nofile": 4096, "core": [0, "unlimited"]}.'
        return
    for name, value in limits.items():
        if name not in LIMIT_NAMES:
            yield "rlimits", f"There is no limit {name!r}. Known: {', '.join(LIMIT_NAMES)}."
            continue
        pair = value if isinstance(value, list) else [value, value]
        if len(pair) != 2 or not all(_is_amount(amount) for amount in pair):
            yield (
                "rlimits",
                f'The limit {name} has to be a whole number from 0, "{UNLIMITED}", or a list of two of '
                "them, the soft and the hard one.",
            )
        elif _size(pair[0]) > _size(pair[1]):
            yield (
                "rlimits",
                f"The soft limit of {name} ({pair[0]}) is above the hard one ({pair[1]}). Lower the first "
                "or raise the second.",
            )


def _is_amount(value: Any) -> bool:
    return value == UNLIMITED if isinstance(value, str) else is_whole(value) and 0 <= value <= _GREATEST_LIMIT


def _size(amount: Any) -> float:
    return float("inf") if amount == UNLIMITED else amount
