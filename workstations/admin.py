"""Administration of workstations: declare them and ask for actions. Emulators, history: ``admin_records``."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.views.decorators.debug import sensitive_post_parameters

from medimgr.lib.access import may
from medimgr.lib.admin_classes import ScopedAdmin
from medimgr.lib.problems import Problem
from medimgr.lib.sealing import unsealed
from workstations.actions import Chosen
from workstations.admin_actions import act
from workstations.admin_fieldsets import fieldsets
from workstations.admin_filters import TagFilter
from workstations.admin_records import ChangeAdmin, EmulatorAdmin
from workstations.declaring import declare, redeclare
from workstations.forms import WorkstationForm
from workstations.models import Change, Emulator, Workstation
from workstations.states import EmulatorState

__all__ = ["ChangeAdmin", "EmulatorAdmin", "WorkstationAdmin"]
NOTHING = "–"


@admin.register(Workstation)
class WorkstationAdmin(ScopedAdmin[Workstation]):
    """What is declared of each workstation, and what the last look at it said."""

    form = WorkstationForm
    list_display = ("name", "address", "status", "running", "words", "last_error")
    list_filter = ("status", TagFilter, "polled", "tls", "auth")
    search_fields = ("name", "host")
    ordering = ("name",)
    save_on_top = True
    actions = ("ask_for_connection_test", "check_host", "scan", "read_system")
    readonly_fields = (
        "status",
        "status_since",
        "last_error",
        "seen_at",
        "read_at",
        "emulators",
        "stored_password",
        "findings",
        "said",
    )

    # --- what is shown ---------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workstation]:
        """Return the workstations with the numbers of their emulators, in one query."""
        running = Q(emulators__state=EmulatorState.RUNNING)
        return (
            super()
            .get_queryset(request)
            .annotate(known=Count("emulators"), up=Count("emulators", filter=running))
        )

    def get_fieldsets(self, request: HttpRequest, obj: Workstation | None = None) -> Any:
        """Return the fields in groups; those for a password are for who may change it."""
        may_change = self.has_change_permission(request, obj) if obj else True
        return fieldsets(known=obj is not None, may_change=may_change)

    def view_on_site(self, obj: Workstation) -> str:
        """Return the workstation's live page."""
        return reverse("workstations:workstation", args=[obj.pk])

    @admin.display(ordering="host")
    def address(self, row: Workstation) -> str:
        """Return host and port."""
        return f"[{row.host}]:{row.port}" if ":" in row.host else f"{row.host}:{row.port}"

    @admin.display(description="Running")
    def running(self, row: Any) -> str:
        """Return how many of its emulators run."""
        return f"{row.up}/{row.known}" if row.known else NOTHING

    @admin.display(description="Tags")
    def words(self, row: Workstation) -> str:
        """Return its tags."""
        return ", ".join(row.tags)

    @admin.display(description="Emulators")
    def emulators(self, row: Any) -> str:
        """Return how many there are, with a link to them."""
        address = reverse("admin:workstations_emulator_changelist")
        told = f"{row.known} known, {row.up} running" if row.known else "None is known"
        return format_html('<a href="{}?workstation__id__exact={}">{}</a>', address, row.pk, told)

    @admin.display(description="Stored password")
    def stored_password(self, row: Workstation) -> str:
        """Return whether there is one that can be used; never the password."""
        if not row.has_password:
            return "None: it can't be logged in to."
        try:
            unsealed(row.password_sealed)
        except Problem as problem:
            return problem.detail
        return "There is one, encrypted."

    @admin.display(description="Findings")
    def findings(self, row: Workstation) -> str:
        """Return each finding with its mend."""
        if not row.host_check:
            return "It has not been checked yet."
        marks = {True: "in order", False: "NOT in order", None: "not known"}
        return format_html_join(
            "",
            "<div>{}: {}. {} {}</div>",
            (
                (one.get("label"), marks[one.get("ok")], one.get("detail", ""), one.get("fix", ""))
                for one in row.host_check.get("findings", [])
            ),
        )

    @admin.display(description="System")
    def said(self, row: Workstation) -> str:
        """Return what it said of itself, as it was stored."""
        if not row.system:
            return "It has not been asked yet."
        return format_html("<pre>{}</pre>", json.dumps(row.system, indent=2, ensure_ascii=False))

    # --- declaring -------------------------------------------------------------------------

    @method_decorator(sensitive_post_parameters("password"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or store one; what is found wrong only at the storing is told on the same page."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Problem as problem:
            self.message_user(request, problem.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Workstation, form: Any, change: bool) -> None:
        """Write what was changed alone, as every other door does."""
        said, password = form.declared(), form.new_password()
        had_password = change and obj.has_password
        stored = (
            redeclare(obj.pk, said, password, request.user)
            if change
            else declare(said, password or "", request.user)
        )
        if had_password and not stored.has_password and not form.cleaned_data.get("remove_password"):
            self.message_user(
                request,
                "The stored password was taken away: from now on it would have been sent to somewhere else. "
                "Type it anew.",
                messages.WARNING,
            )
        for field in Workstation._meta.concrete_fields:
            setattr(obj, field.attname, getattr(stored, field.attname))
        obj._state.adding = False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one workstation, with a button for each action that the user may ask for."""
        allowed = self.get_actions(request)
        labels = {
            "ask_for_connection_test": "Test connection",
            "check_host": "Check host",
            "scan": "Read emulators",
            "read_system": "Read system",
        }
        tools = [{"action": name, "label": label} for name, label in labels.items() if name in allowed]
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "tools": tools})

    # --- who may do what -------------------------------------------------------------------

    def has_test_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may test connections; the action is hidden otherwise."""
        return may(request.user, "test", Workstation)

    def has_check_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may check workstations and read their systems."""
        return may(request.user, "check", Workstation)

    def has_scan_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may read the emulators of workstations."""
        return may(request.user, "scan", Workstation)

    # --- actions ---------------------------------------------------------------------------

    @admin.action(permissions=["test"], description="Test the connection to the selected workstations")
    def ask_for_connection_test(self, request: HttpRequest, selected: QuerySet[Workstation]) -> None:
        """Queue a test for each."""
        act(self, request, Chosen(list(selected)), "test-connection", "Connection test of")

    @admin.action(permissions=["check"], description="Check the selected hosts")
    def check_host(self, request: HttpRequest, selected: QuerySet[Workstation]) -> None:
        """Queue a host check for each."""
        act(self, request, Chosen(list(selected)), "check-host", "Host check of")

    @admin.action(permissions=["scan"], description="Read the emulators of the selected workstations")
    def scan(self, request: HttpRequest, selected: QuerySet[Workstation]) -> None:
        """Queue a reading of its list for each."""
        act(self, request, Chosen(list(selected)), "scan", "Reading the emulators of")

    @admin.action(permissions=["check"], description="Read the systems of the selected workstations")
    def read_system(self, request: HttpRequest, selected: QuerySet[Workstation]) -> None:
        """Queue a reading of its system for each."""
        act(self, request, Chosen(list(selected)), "read-system", "Reading the system of")

    # --- deletion --------------------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Iterable[Workstation], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[Any], list[Any]]:
        """Return what a deletion takes along, as counts: a long history would fill the page for ever."""
        rows = list(objs)
        keys = [row.pk for row in rows]
        allowed = all(self.has_delete_permission(request, row) for row in rows)
        lacking = set() if allowed else {"workstation"}
        counts = {
            "workstations": len(rows),
            "emulators (forgotten here, left on their machines)": Emulator.objects.filter(
                workstation__in=keys
            ).count(),
            "changes": Change.objects.filter(workstation__in=keys).count(),
        }
        return [str(row) for row in rows], counts, lacking, []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Workstation]) -> None:  # noqa: ARG002
        """Delete one by one, so that each is published; all or none."""
        with transaction.atomic():
            for row in queryset:
                row.delete()
