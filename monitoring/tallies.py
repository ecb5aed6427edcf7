"""What is counted of services and their probes, for good."""

from collections.abc import Iterable, Mapping

from medimgr.tallies import counting, gathering
from medimgr.tallies.counting import Added, Count, Durations, together
from monitoring.models import Service
from monitoring.states import HealthKind, State
from monitoring.supervisor.moves.turns import BY_SUPERVISOR
from monitoring.supervisor.records import TransitionRow

RESTARTS = Count(
    "medimgr_service_restarts", "Starts that nobody asked for, by their reason.", ("service", "reason")
)
PROBES = Count("medimgr_probes", "Probes of health over the network or by a command.", ("kind", "result"))
PROBED = Durations(
    "medimgr_probe_duration_seconds",
    "How long such a probe took.",
    ("kind",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_ASKING = frozenset({HealthKind.HTTP, HealthKind.TCP, HealthKind.EXEC})
"""The others only look at what is known already."""


def restarts(rows: Iterable[TransitionRow], keys: Mapping[int, str]) -> Added:
    """Return what changes of state add, for the transaction that stores them. Pure.

    ``keys`` are the keys of services by their primary key; of others nothing is counted.
    """
    return together(
        RESTARTS.grown(keys[row.service], row.reason.value)
        for row in rows
        if row.after is State.STARTING
        and row.before is not State.STARTING
        and row.reason in BY_SUPERVISOR
        and row.service in keys
    )


def probed(kind: HealthKind, ok: bool, seconds: float) -> Added:
    """Return what a probe adds; nothing for a kind that asks nobody. Pure."""
    if kind not in _ASKING:
        return {}
    result = "ok" if ok else "failed"
    return together([PROBES.grown(kind.value, result), PROBED.seen(seconds, kind.value)])


def count_probe(kind: HealthKind, ok: bool, seconds: float) -> None:
    """Count a probe of this process. No query: see :mod:`medimgr.tallies.gathering`."""
    gathering.of_this_process.add(probed(kind, ok, seconds))


def forget_deleted_services() -> str:
    """Delete what was counted of services that are deleted since. Two queries, or three."""
    counted = counting.kept().get(RESTARTS.name, {})
    known = set(Service.objects.values_list("key", flat=True))
    count = counting.forget(RESTARTS, [labels for labels in counted if labels[0] not in known])
    return f"forgot {count} count(s) of deleted services" if count else ""
