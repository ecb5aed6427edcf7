"""Rules for how a service is ended, and for the commands that go with its life."""

from collections.abc import Iterable

from monitoring.declaration.declared import Declared
from monitoring.declaration.restart import is_signal, signal_fault
from monitoring.declaration.values import as_a_copy, command_fault, is_http_url

HOOKS = ("pre_start_command", "post_start_command", "pre_stop_command", "post_stop_command")


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    if not is_signal(declared.stop_signal):
        yield "stop_signal", signal_fault(declared.stop_signal)
    if declared.stop_url and not is_http_url(as_a_copy(declared.stop_url, declared)):
        yield "stop_url", "Write a URL such as http://127.0.0.1:8001/shutdown, or leave it empty."
    for field in ("stop_command", *HOOKS):
        command = getattr(declared, field)
        if command != [] and (fault := command_fault(command, declared.cwd)):
            yield field, fault
    if declared.stop_url and declared.stop_command:
        yield "stop_command", "It is asked to end by URL already. Keep one of the two and clear the other."
