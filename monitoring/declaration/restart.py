"""Rules for the ends after which a service is started again."""

import signal
from collections.abc import Iterable
from typing import Any

from monitoring.declaration.declared import Declared
from monitoring.declaration.values import is_whole


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    good, fatal = declared.success_exit_codes, declared.fatal_exit_codes
    if not _are_codes(good):
        yield "success_exit_codes", "Write a list of exit codes from 0 to 255, such as [0, 2]."
    if not _are_codes(fatal):
        yield "fatal_exit_codes", "Write a list of exit codes from 0 to 255, such as [78]."
    elif _are_codes(good) and (both := sorted(set(good) & set(fatal))):
        listed = " and ".join(map(str, both)) if len(both) < 3 else ", ".join(map(str, both))
        yield (
            "fatal_exit_codes",
            f"{listed} {'is' if len(both) == 1 else 'are'} declared as a success too. "
            "Remove it from one of the two lists.",
        )
    signals = declared.success_signals
    if not isinstance(signals, list) or not all(isinstance(name, str) for name in signals):
        yield "success_signals", 'Write a list of names of signals, such as ["SIGTERM"].'
    else:
        for name in dict.fromkeys(signals):
            if not is_signal(name):
                yield "success_signals", signal_fault(name)


def _are_codes(codes: Any) -> bool:
    return isinstance(codes, list) and all(is_whole(code) and 0 <= code < 256 for code in codes)


def is_signal(name: Any) -> bool:
    """Return whether ``name`` is a signal's."""
    return isinstance(name, str) and name in signal.Signals.__members__


def signal_fault(name: Any) -> str:
    """Return what is wrong with a name that is no signal's."""
    return f"There is no signal {name!r}. Use SIGTERM, SIGINT, SIGQUIT or another name."
