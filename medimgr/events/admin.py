"""Administration of events and streams: to be looked at and searched."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from medimgr.events import connections
from medimgr.events.models import Connection, Event, StreamWorker, Tick
from medimgr.lib.access import may, scope_of
from medimgr.lib.admin_classes import M, RecordAdmin
from medimgr.lib.request_address import address_of
from medimgr.lib.units import clock


class RawAdmin(RecordAdmin[M]):
    """What tells of everything there is at once: for who may look at everything."""

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Return whether the user may look at it; who is limited to some labels may not."""
        return super().has_view_permission(request, obj) and not scope_of(request.user).hides_something


@admin.register(Event)
class EventAdmin(RawAdmin[Event]):
    """The event log. Filtered by what is indexed."""

    list_display = ("id", "at", "topic", "key", "data")
    list_filter = ("topic", "at")
    search_fields = ("=key", "=id")
    date_hierarchy = "at"
    list_per_page = 50


@admin.register(Connection)
class ConnectionAdmin(RecordAdmin[Connection]):
    """Open streams. The token stays out of sight: whoever has it may end the stream."""

    list_display = (
        "id",
        "user",
        "address",
        "page",
        "connected_at",
        "open_for",
        "last_ping_at",
        "events_sent",
        "bytes_sent",
        "machine_token",
        "worker",
    )
    list_filter = ("worker", "connected_at")
    list_select_related = ("user", "worker")
    search_fields = ("user__username", "address", "page", "machine_token")
    exclude = ("token",)
    actions = ("end_streams",)

    def has_kick_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may end somebody's stream."""
        return may(request.user, "kick", Connection)

    @admin.action(description="End the selected streams", permissions=["kick"])
    def end_streams(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """End them; their pages say so."""
        keys = list(queryset.values_list("pk", flat=True))
        ended = connections.kick(request.user, source="admin", address=address_of(request), pk__in=keys)
        self.message_user(request, "One stream was ended." if ended == 1 else f"{ended} streams were ended.")

    @admin.display(description="Open for")
    def open_for(self, connection: Connection) -> str:
        """Return how long it has been open, HH:MM:SS."""
        return clock(connection.duration_seconds(timezone.now()))


@admin.register(StreamWorker)
class StreamWorkerAdmin(RecordAdmin[StreamWorker]):
    """Web processes that serve streams."""

    list_display = ("node", "pid", "started_at", "seen_at", "streams")
    list_filter = ("node",)
    search_fields = ("node", "=pid")
    ordering = ("node", "pid")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StreamWorker]:
        """Return the workers with the number of their streams, in one query."""
        return super().get_queryset(request).annotate(open_streams=Count("connections"))

    @admin.display(description="Streams")
    def streams(self, worker: Any) -> int:
        """Return how many streams it serves."""
        return int(worker.open_streams)


@admin.register(Tick)
class TickAdmin(RawAdmin[Tick]):
    """The latest measurements of each node."""

    list_display = ("node", "at", "services")
    search_fields = ("node",)
    ordering = ("node",)

    @admin.display(description="Services")
    def services(self, tick: Tick) -> int:
        """Return how many services were measured."""
        return len(tick.data)
