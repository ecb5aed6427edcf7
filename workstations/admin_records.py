"""Administration of what was read and seen: emulators and changes, which nobody may change here."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from medimgr.lib.access import may
from medimgr.lib.admin_classes import RecordAdmin
from workstations.actions import Chosen
from workstations.admin_actions import act
from workstations.admin_filters import WorkstationTagFilter
from workstations.models import Change, Emulator


class OfAWorkstation(RecordAdmin[Any]):
    """A record that belongs to a workstation."""

    def view_on_site(self, obj: Emulator | Change) -> str:
        """Return the live page of the workstation."""
        return reverse("workstations:workstation", args=[obj.workstation_id])

    @admin.display(description="workstation", ordering="workstation__name")
    def of(self, row: Emulator | Change) -> str:
        """Return a link to the workstation's declaration."""
        address = reverse("admin:workstations_workstation_change", args=[row.workstation_id])
        return format_html('<a href="{}">{}</a>', address, row.workstation.name)


@admin.register(Emulator)
class EmulatorAdmin(OfAWorkstation):
    """Emulators, as the lists of their workstations were last read."""

    list_display = ("title", "index", "of", "state", "state_since", "cpu", "memory_mb", "resolution")
    # No filter of workstations: there may be hundreds. The link on a workstation leads to its own.
    list_filter = ("state", WorkstationTagFilter)
    list_select_related = ("workstation",)
    search_fields = ("title", "workstation__name", "=index")
    ordering = ("workstation__name", "index")
    actions = ("start", "stop")

    @admin.display(description="Screen")
    def resolution(self, row: Emulator) -> str:
        """Return its resolution."""
        return f"{row.width}x{row.height}, {row.dpi} dpi" if row.width else "–"

    def has_launch_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may start emulators."""
        return may(request.user, "launch", Emulator)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may stop emulators."""
        return may(request.user, "stop", Emulator)

    @admin.action(permissions=["launch"], description="Start the selected emulators")
    def start(self, request: HttpRequest, selected: QuerySet[Emulator]) -> None:
        """Queue a start for each."""
        act(self, request, Chosen(list(selected)), "start", "Start of")

    @admin.action(permissions=["stop"], description="Stop the selected emulators")
    def stop(self, request: HttpRequest, selected: QuerySet[Emulator]) -> None:
        """Queue a stop for each."""
        act(self, request, Chosen(list(selected)), "stop", "Stop of")


@admin.register(Change)
class ChangeAdmin(OfAWorkstation):
    """What has changed of workstations and emulators."""

    list_display = ("at", "of", "index", "title", "what", "before", "after", "operation_id")
    list_filter = ("what", "at", WorkstationTagFilter)
    list_select_related = ("workstation",)
    search_fields = ("workstation__name", "title", "before", "after")
    date_hierarchy = "at"
