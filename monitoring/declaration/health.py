"""Rules for how health is probed."""

from collections.abc import Iterable

from monitoring.declaration.declared import Declared
from monitoring.declaration.values import as_a_copy, command_fault, is_http_url, is_port
from monitoring.states import HealthKind


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault. What the chosen kind does not use is not looked at."""
    kind = declared.health_kind
    if kind == HealthKind.HTTP and not is_http_url(as_a_copy(declared.health_url, declared)):
        yield "health_url", "Write a URL such as http://127.0.0.1:8001/health."
    if kind == HealthKind.TCP and not is_port(declared.health_port):
        yield "health_port", "Give the port that has to accept connections."
    command = declared.health_command
    if kind == HealthKind.EXEC and command in (None, [], ""):
        yield (
            "health_command",
            'Give the command that ends with 0 while it is healthy, such as ["./check.sh"].',
        )
    elif (kind == HealthKind.EXEC or command != []) and (fault := command_fault(command, declared.cwd)):
        yield "health_command", fault
