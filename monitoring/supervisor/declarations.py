"""Reads what is declared for a node, and finds out cheaply what of it has changed."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.utils import timezone

from medimgr.events.log import last_event_id
from medimgr.events.models import Event
from monitoring.models import Dependency, Service, ServiceStatus
from monitoring.states import Health, Intent, Reason, State
from monitoring.supervisor.records import Declared, StatusRow

_IGNORED = frozenset({"id", "key", "description", "created_at", "updated_at", "warning"})


class Declarations:
    """The declarations of one node, as they were last read."""

    def __init__(self, node: str) -> None:
        """Begin with nothing known."""
        self._node = node
        self._rows: dict[int, tuple[Any, ...]] = {}
        self._keys: set[str] = set()
        self._cursor = 0

    def all(self) -> tuple[Declared, ...]:
        """Return every service; makes the status row of one that has none. A handful of queries."""
        self._cursor = last_event_id()
        self._rows = self._read()
        return self._declared(list(self._rows))

    def announced(self) -> bool:
        """Return whether events since the last call say that a declaration changed, the node's own included.

        Two short queries.
        """
        last = last_event_id()
        if last == self._cursor:
            return False
        news = Event.objects.after(self._cursor).filter(
            Q(topic="service") | Q(topic="node", key=self._node), id__lte=last
        )
        self._cursor = last
        return news.filter(data__has_any_keys=["declared", "deleted"]).exists()

    def knows(self, keys: Iterable[str]) -> bool:
        """Return whether all of these services were there at the last reading. No query."""
        return self._keys.issuperset(keys)

    def changed(self) -> tuple[tuple[Declared, ...], frozenset[int]]:
        """Return the services that are new or differ, and the primary keys of those that are gone.

        Compares raw rows (two queries, however many services), since building each declaration costs
        far more than finding that nothing has changed.
        """
        rows = self._read()
        differs = [pk for pk, row in rows.items() if self._rows.get(pk) != row]
        gone = frozenset(self._rows.keys() - rows.keys())
        declared = self._declared(differs) if differs else ()
        self._rows = rows
        return declared, gone

    def _declared(self, keys: list[int]) -> tuple[Declared, ...]:
        self._complete(keys)
        found: list[Declared] = []
        for begin in range(0, len(keys), 500):
            services = Service.objects.for_supervisor(self._node).filter(pk__in=keys[begin : begin + 500])
            found += [Declared(s.pk, s.spec(), _status(s)) for s in services]
        return tuple(found)

    def _complete(self, keys: list[int]) -> None:
        """Make status rows for services that came into the table without ``Service.save``."""
        wanted = set(keys)
        bare = [s for s in Service.objects.on(self._node).filter(status__isnull=True) if s.pk in wanted]
        ServiceStatus.objects.bulk_create(
            [
                ServiceStatus(
                    service=service,
                    since=timezone.now(),
                    intent=Intent.UP if service.autostart else Intent.DOWN,
                )
                for service in bare
            ],
            ignore_conflicts=True,
        )

    def _read(self) -> dict[int, tuple[Any, ...]]:
        fields = [f.attname for f in Service._meta.concrete_fields if f.name not in _IGNORED]
        services = Service.objects.on(self._node)
        needs: dict[int, list[tuple[str, str]]] = {}
        for pk, key, condition in (
            Dependency.objects.filter(service__in=services)
            .order_by("needs__key")
            .values_list("service_id", "needs__key", "condition")
        ):
            needs.setdefault(pk, []).append((key, condition))
        rows = list(services.values_list("pk", "key", *fields))
        self._keys = {row[1] for row in rows}
        return {row[0]: (*row[1:], needs.get(row[0], [])) for row in rows}


def _status(service: Service) -> StatusRow:
    status = service.status
    return StatusRow(
        service=service.pk,
        key=service.key,
        intent=Intent(status.intent),
        state=State(status.state),
        health=Health(status.health),
        reason=Reason(status.reason),
        detail=status.detail,
        since=status.since,
        pid=status.pid,
        process_started_at=status.process_started_at,
        restarts=status.restarts,
        auto_recovery=status.auto_recovery,
        needs_restart=status.needs_restart,
        flapping=status.flapping,
        next_run_at=status.next_run_at,
    )
