"""Administration of services: declare them, see what they do, ask for actions. Records: ``admin_records``."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import ForeignKey, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from medimgr.lib.access import in_sight, may
from medimgr.lib.admin_classes import TabularInline
from monitoring import declared
from monitoring.actions import Verb
from monitoring.admin_actions import act
from monitoring.admin_fieldsets import fieldsets
from monitoring.admin_importing import ImportingServices
from monitoring.admin_records import NodeAdmin, RunAdmin, TransitionAdmin
from monitoring.declaration import shared_ports
from monitoring.forms import DependencyFormSet, ServiceForm
from monitoring.models import Dependency, Service, Transition
from monitoring.states import State

__all__ = ["NodeAdmin", "RunAdmin", "ServiceAdmin", "TransitionAdmin"]


class DependencyInline(TabularInline[Dependency, Service]):
    """What a service needs before it starts."""

    model = Dependency
    fk_name = "service"
    formset = DependencyFormSet
    extra = 0
    verbose_name = "dependency"
    verbose_name_plural = "needs"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dependency]:
        """Return the rows with both of their services, as far as the user may look at both."""
        rows = Dependency.objects.visible_to(request.user).select_related("service", "needs")
        return rows.order_by(*self.get_ordering(request))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **options: Any
    ) -> Any:
        """Return the field with its choices read once, not once per row."""
        if db_field.name == "needs":
            options["queryset"] = Service.objects.visible_to(request.user)
        field = super().formfield_for_foreignkey(db_field, request, **options)
        if field is not None and db_field.name == "needs":
            field.choices = list(field.choices)  # type: ignore[arg-type]
        return field


def _follows(service: Service | None) -> bool:
    """Return whether something else says how this service is declared."""
    return service is not None and (service.builtin or service.instance_of_id is not None)


@admin.register(Service)
class ServiceAdmin(ImportingServices):
    """What is kept running, where, and how."""

    form = ServiceForm
    inlines = (DependencyInline,)
    list_display = ("name", "key", "state", "health", "node", "group", "since", "restarts", "pid")
    list_display_links = ("name", "key")
    list_filter = ("status__state", "status__health", "node", "group", "builtin")
    list_select_related = ("node", "status")
    search_fields = ("key", "name", "description", "group", "node__name")
    ordering = ("builtin", "group", "priority", "key")
    save_on_top = True
    actions = ("start", "stop", "restart", "rolling_restart", "auto_recovery_on", "auto_recovery_off")
    readonly_fields = (
        "state",
        "health",
        "since",
        "restarts",
        "pid",
        "detail",
        "environment",
        "original",
    )

    # --- what is shown ---------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Service | None = None) -> Any:
        """Return the fields in groups; values of the environment are for those who may change them."""
        env = "env" if obj is None or self.has_change_permission(request, obj) else "environment"
        groups = fieldsets(env)
        if obj is not None:
            now = ("Now", {"fields": (("state", "health", "since"), ("restarts", "pid"), "detail")})
            groups.insert(1, now)
            if obj.instance_of_id is not None:
                groups.insert(1, ("Copy", {"fields": ("original",)}))
        return groups

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        """Save, and tell which of its ports other services of its node declare too. One query for that."""
        super().save_model(request, obj, form, change)
        seen = Service.objects.visible_to(request.user)
        others = seen.filter(node=obj.node_id, instance_of=None).exclude(pk=obj.pk)
        for words in shared_ports(obj, {other.key: other for other in others}) if obj.ports else ():
            self.message_user(request, words, messages.WARNING)

    def get_readonly_fields(self, request: HttpRequest, obj: Service | None = None) -> Any:  # noqa: ARG002
        """Return what can't be changed; the key names log and history, so it stays as it is."""
        return (*self.readonly_fields, "key") if obj is not None else self.readonly_fields

    def view_on_site(self, obj: Service) -> str:
        """Return the service's live page."""
        return reverse("monitoring:service", args=[obj.key])

    @admin.display(ordering="status__state")
    def state(self, service: Service) -> str:
        """Return the state; UNKNOWN where no supervisor reports."""
        last = service.status.state
        if service.node.is_supervised(timezone.now()):
            return last
        return f"{State.UNKNOWN} (last {last})"

    @admin.display(ordering="status__health")
    def health(self, service: Service) -> str:
        """Return what the probes said last."""
        return service.status.health

    @admin.display(ordering="status__since")
    def since(self, service: Service) -> str:
        """Return when it came into its state."""
        return date_format(timezone.localtime(service.status.since), "Y-m-d H:i:s")

    @admin.display(ordering="status__restarts")
    def restarts(self, service: Service) -> int:
        """Return how often the supervisor restarted it."""
        return service.status.restarts

    @admin.display(description="PID", ordering="status__pid")
    def pid(self, service: Service) -> int | None:
        """Return the process id."""
        return service.status.pid

    @admin.display(description="Why")
    def detail(self, service: Service) -> str:
        """Return the reason for its state."""
        return service.status.detail or service.status.reason

    @admin.display(description="Environment")
    def environment(self, service: Service) -> str:
        """Return the variables' names with masked values."""
        return ", ".join(f"{name}={mask}" for name, mask in declared.environment(service))

    @admin.display(description="Copy of")
    def original(self, service: Service) -> str:
        """Return a link to the service that this one is a further copy of."""
        other = service.instance_of
        if other is None:
            return "–"
        address = reverse("admin:monitoring_service_change", args=[other.pk])
        return format_html(
            'Copy {} of <a href="{}">{}</a>: change that one, and this one follows.',
            service.instance + 1,
            address,
            other.name,
        )

    # --- who may do what -------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        """Refuse for medimgr's own processes, which ``manage.py up`` declares, and for further copies."""
        return super().has_change_permission(request, obj) and not _follows(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Service | None = None) -> bool:
        """Refuse for medimgr's own processes and for further copies: their original says how many."""
        return super().has_delete_permission(request, obj) and not _follows(obj)

    def has_start_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may start services."""
        return may(request.user, "start", Service)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may stop services."""
        return may(request.user, "stop", Service)

    def has_restart_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may restart services."""
        return may(request.user, "restart", Service)

    def has_recover_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may turn auto-recovery on and off."""
        return may(request.user, "recover", Service)

    # --- actions ---------------------------------------------------------------------------

    @admin.action(permissions=["start"], description="Start the selected services")
    def start(self, request: HttpRequest, selected: QuerySet[Service]) -> HttpResponse | None:
        """Enqueue starts."""
        return act(self, request, selected, "start", "start")

    @admin.action(permissions=["stop"], description="Stop the selected services")
    def stop(self, request: HttpRequest, selected: QuerySet[Service]) -> HttpResponse | None:
        """Enqueue stops."""
        return act(self, request, selected, "stop", "stop")

    @admin.action(permissions=["restart"], description="Restart the selected services")
    def restart(self, request: HttpRequest, selected: QuerySet[Service]) -> HttpResponse | None:
        """Enqueue restarts."""
        return act(self, request, selected, "restart", "restart")

    @admin.action(permissions=["restart"], description="Restart the selected services one after the other")
    def rolling_restart(self, request: HttpRequest, selected: QuerySet[Service]) -> HttpResponse | None:
        """Enqueue rolling restarts: as many at a time as ``min_ready`` allows."""
        return act(self, request, selected, "restart", "rolling_restart", rolling=True)

    @admin.action(permissions=["recover"], description="Turn auto-recovery on for the selected services")
    def auto_recovery_on(self, request: HttpRequest, selected: QuerySet[Service]) -> HttpResponse | None:
        """Enqueue turning it on."""
        return act(self, request, selected, "auto-recovery-on", "auto_recovery_on")

    @admin.action(permissions=["recover"], description="Turn auto-recovery off for the selected services")
    def auto_recovery_off(self, request: HttpRequest, selected: QuerySet[Service]) -> HttpResponse | None:
        """Enqueue turning it off."""
        return act(self, request, selected, "auto-recovery-off", "auto_recovery_off")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one service, with a button for each action that the user may ask for."""
        allowed = self.get_actions(request)
        verbs: list[tuple[Verb, str]] = [("start", "Start"), ("stop", "Stop"), ("restart", "Restart")]
        tools = [{"action": verb, "label": label} for verb, label in verbs if verb in allowed]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "tools": tools})

    # --- deletion --------------------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Iterable[Service], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """Return what a deletion takes along, as counts: a long history would fill the page for ever.

        Django's own would also refuse, since nobody may delete the records that go with a service.
        """
        services = list(objs)
        keys = [service.pk for service in services]
        lacking = {
            "built-in service" if service.builtin else "service"
            for service in services
            if not self.has_delete_permission(request, service)
        }
        copies = Service.objects.filter(instance_of__in=keys).exclude(pk__in=keys)
        blocking = (
            Dependency.objects.filter(needs__in=keys)
            .exclude(service__in=keys)
            .exclude(service__instance_of__isnull=False)  # those follow what they are copies of
        )
        protected = [
            f"{row.service.name if in_sight(request.user, row.service) else 'Another service'} needs "
            f"{row.needs.name}: remove that dependency first."
            for row in blocking.select_related("service", "needs")
        ]
        counts = {
            "services": len(services) + copies.count(),
            "dependencies": Dependency.objects.filter(service__in=keys).count(),
            "transitions": Transition.objects.filter(service__in=keys).count(),
        }
        return [str(service) for service in services], counts, lacking, protected

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> None:  # noqa: ARG002
        """Delete one by one, so that each is published and its process is stopped; all or none."""
        with transaction.atomic():
            services = list(queryset)
            Service.objects.filter(pk__in=[service.pk for service in services]).hold()
            # Among themselves they may go in any order.
            Dependency.objects.filter(Q(service__in=services) | Q(service__instance_of__in=services)).delete()
            for service in services:
                service.delete()
