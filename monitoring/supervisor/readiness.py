"""What tells that a service which is starting has become ready. Pure."""

from monitoring.states import HealthKind, ReadyKind
from monitoring.supervisor.spec import HealthCheck, Readiness, ServiceSpec

_ASKED = frozenset({HealthKind.HTTP, HealthKind.TCP, HealthKind.EXEC})
"""Checks that ask the service. Silence, of its log or of its messages, tells nothing about a start."""
_HEARD = frozenset({ReadyKind.LOG, ReadyKind.NOTIFY})
_INTERVAL = 1.0


def check_while_starting(spec: ServiceSpec) -> HealthCheck | None:
    """Return what is probed until it succeeds; None where no probe tells that the service is ready."""
    ready = spec.readiness
    if ready.kind is ReadyKind.AUTO:
        return spec.health if spec.health.kind in _ASKED else None
    if ready.kind is ReadyKind.TCP:
        return HealthCheck(HealthKind.TCP, port=ready.port, interval=_INTERVAL)
    if ready.kind is ReadyKind.HTTP:
        return HealthCheck(HealthKind.HTTP, url=ready.url, interval=_INTERVAL)
    return None


def awaited(spec: ServiceSpec) -> Readiness | None:
    """Return the log line or message that tells that the service is ready; None where none does."""
    return spec.readiness if spec.readiness.kind in _HEARD else None


def is_told(spec: ServiceSpec) -> bool:
    """Return whether anything tells that the service is ready; else being up for a while has to do."""
    return spec.readiness.kind is not ReadyKind.AUTO or spec.health.kind in _ASKED
