"""Rules for what tells that a service has become ready."""

from collections.abc import Iterable
from typing import Any

from monitoring.declaration.declared import Declared
from monitoring.declaration.patterns import pattern_fault
from monitoring.declaration.values import as_a_copy, is_http_url, is_port
from monitoring.states import ReadyKind


def faults(declared: Declared) -> Iterable[tuple[str, str]]:
    """Yield field and message of each fault."""
    kind: Any = declared.ready_kind
    if kind == ReadyKind.HTTP and not is_http_url(as_a_copy(declared.ready_url, declared)):
        yield "ready_url", "Write the URL that answers once it is ready, such as http://127.0.0.1:8001/ready."
    if kind == ReadyKind.TCP and not is_port(declared.ready_port):
        yield "ready_port", "Give the port that accepts connections once it is ready."
    if kind == ReadyKind.LOG and (fault := pattern_fault(declared.ready_pattern)):
        yield "ready_pattern", fault
