"""Administration of nodes, and of what was: runs and changes of state, which nobody may change."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from medimgr.lib.access import scope_of
from medimgr.lib.admin_classes import ModelAdmin, RecordAdmin
from monitoring.models import Node, Run, Service, Transition


@admin.register(Node)
class NodeAdmin(RecordAdmin[Node]):
    """Machines. Their supervisors declare themselves; people say how much at a time, and how much is kept."""

    list_display = (
        "name",
        "supervised",
        "supervisor_pid",
        "heartbeat_at",
        "version",
        "service_count",
        "problem",
    )
    search_fields = ("name",)
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", ("start_concurrency", "log_budget_mb"))}),
        (
            "Its supervisor",
            {
                "fields": (
                    ("supervised", "supervisor_pid", "version"),
                    ("started_at", "heartbeat_at"),
                    "problem",
                    ("epoch", "boot_id"),
                )
            },
        ),
    )
    readonly_fields = (
        "name",
        "supervised",
        "supervisor_pid",
        "version",
        "started_at",
        "heartbeat_at",
        "problem",
        "epoch",
        "boot_id",
    )

    def has_change_permission(self, request: HttpRequest, obj: Node | None = None) -> bool:
        """Return whether the user may change nodes; what supervisors report stays theirs all the same."""
        return ModelAdmin.has_change_permission(self, request, obj)

    def save_model(self, request: HttpRequest, obj: Node, form: Any, change: bool) -> None:  # noqa: ARG002
        """Write what was changed alone: the supervisor writes its heartbeat into the same row meanwhile."""
        if form.changed_data:
            obj.save(update_fields=form.changed_data)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        """Return the nodes with the numbers of their services that the user may look at, in one query."""
        rows = super().get_queryset(request)
        if not scope_of(request.user).hides_something:
            return rows.annotate(declared=Count("services"))
        seen = Service.objects.visible_to(request.user).values("pk")
        return rows.annotate(declared=Count("services", filter=Q(services__in=seen)))

    @admin.display(boolean=True)
    def supervised(self, node: Node) -> bool:
        """Return whether a supervisor reports."""
        return node.is_supervised(timezone.now())

    @admin.display(description="Services")
    def service_count(self, node: Node) -> int:
        """Return how many services are declared there."""
        count: int = node.declared  # type: ignore[attr-defined]
        return count


class HistoryAdmin(RecordAdmin[Any]):
    """A record that belongs to a service."""

    def view_on_site(self, obj: Run | Transition) -> str | None:
        """Return the service's live page, None where the service is gone."""
        return reverse("monitoring:service", args=[obj.service.key]) if obj.service else None

    @admin.display(description="service", ordering="service__key")
    def service_link(self, row: Run | Transition) -> str:
        """Return a link to the service's declaration."""
        if row.service is None:
            return row.service_key if isinstance(row, Run) else "–"
        address = reverse("admin:monitoring_service_change", args=[row.service.pk])
        return format_html('<a href="{}">{}</a>', address, row.service.key)


@admin.register(Run)
class RunAdmin(HistoryAdmin):
    """Lives of processes."""

    list_display = (
        "started_at",
        "service_link",
        "node",
        "pid",
        "reason",
        "ended_at",
        "exit_code",
        "exit_signal",
        "end_reason",
    )
    list_filter = ("node", "reason", "end_reason", "started_at")
    list_select_related = ("service",)
    search_fields = ("service_key", "node", "=pid")


@admin.register(Transition)
class TransitionAdmin(HistoryAdmin):
    """Changes of state."""

    list_display = ("at", "service_link", "from_state", "to_state", "reason", "detail", "pid", "operation_id")
    list_filter = ("to_state", "reason", "at")
    list_select_related = ("service",)
    search_fields = ("service__key", "service__name", "detail", "=pid")
    date_hierarchy = "at"
