"""Writes command lines that Windows programs take apart as they were meant. Pure.

The rules are those of CommandLineToArgvW (``subprocess.list2cmdline``). Since some hosts put cmd.exe in
between although they are told not to, what cmd.exe would act on is quoted or refused, too.
"""

import re
from collections.abc import Sequence

from workstations.exceptions import ArgumentRefused

LONGEST_COMMAND_LINE = 8191
"""Of cmd.exe; without it Windows takes 32,767."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:\\=+@-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ACTED_ON = re.compile(r"[&|<>^]")
_VARIABLE = re.compile(r"%[^%]+%")


def quoted(argument: str) -> str:
    """Return ``argument`` as it stands in a command line. Raises ArgumentRefused naming what is wrong."""
    if control := _CONTROL.search(argument):
        raise ArgumentRefused(f"{argument!r} has the control character {control.group()!r}.")
    if variable := _VARIABLE.search(argument):
        raise ArgumentRefused(f"Windows may take {variable.group()} in {argument!r} for a variable's value.")
    if '"' in argument and (acted_on := _ACTED_ON.search(argument)):
        raise ArgumentRefused(f'{argument!r} has both a quotation mark and "{acted_on.group()}".')
    if _PLAIN.fullmatch(argument):
        return argument
    # Backslashes mean themselves, but before a quotation mark: there each is doubled.
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', argument)
    return '"' + re.sub(r"(\\+)$", r"\1\1", escaped) + '"'


def command_line(program: str, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return program and arguments, each as it stands in a command line.

    Raises ArgumentRefused, also where the whole is longer than a Windows command line can be.
    """
    if not program or '"' in program:
        raise ArgumentRefused(f"{program!r} is no path of a program.")
    words = [quoted(program), *map(quoted, arguments)]
    length = len(" ".join(words))
    if length > LONGEST_COMMAND_LINE:
        raise ArgumentRefused(
            f"The command line for {program} is {length} characters long; {LONGEST_COMMAND_LINE} at most."
        )
    return words[0], words[1:]
