"""Who did what, in the admin: to be read, searched and exported, never changed."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from medimgr.audit.admin_list import (
    ActionFilter,
    AuditList,
    CountedToABound,
    OutcomeFilter,
    SourceFilter,
    WhoFilter,
)
from medimgr.audit.exporting import Format, export
from medimgr.audit.models import AuditEntry
from medimgr.audit.recording import record
from medimgr.lib.access import may_everywhere
from medimgr.lib.admin_classes import RecordAdmin
from medimgr.lib.request_address import address_of

FORMATS: tuple[Format, ...] = ("csv", "json")


@admin.register(AuditEntry)
class AuditEntryAdmin(RecordAdmin[AuditEntry]):
    """Who did what. It names all there is, so accounts that are limited to a part do not see it."""

    list_display = ("when", "who", "what", "outcome", "detail", "whence")
    list_filter = (ActionFilter, OutcomeFilter, SourceFilter, WhoFilter)
    search_fields = ("who", "target", "target_name", "detail", "address", "=request_id", "token")
    search_help_text = "A part of a name, a target, a detail or an address; the id of a request as a whole."
    date_hierarchy = "at"
    paginator = CountedToABound
    sortable_by = ()
    list_per_page = 100
    show_facets = admin.ShowFacets.NEVER
    exclude = ("user",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """Return the list that stays fast."""
        return AuditList

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs with that of the export before them, since the others take any word as a key."""
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="audit_auditentry_export"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, with the ways to export what it shows for those who may."""
        may_export = FORMATS if self.has_export_permission(request) else ()
        return super().changelist_view(request, {**(extra_context or {}), "export_formats": may_export})

    def has_view_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Return whether the user may read it: all of it, or nothing."""
        return super().has_view_permission(request, obj) and may_everywhere(request.user, "view", AuditEntry)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may take it away as a file."""
        return self.has_view_permission(request) and may_everywhere(request.user, "export", AuditEntry)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send what the list with the filters of this address shows, and write down who took it."""
        if not self.has_export_permission(request):
            raise PermissionDenied("Exporting the audit takes the permission 'audit.export_auditentry'.")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form: Format = "json" if request.POST.get("format") == "json" else "csv"
        shown: Any = self.get_changelist_instance(request)
        rows = shown.get_queryset(request)
        filters = request.GET.urlencode()
        record(
            "audit.export",
            who=request.user.get_username(),
            user=request.user,
            source="admin",
            address=address_of(request),
            target="audit",
            detail=f"As {form}, {filters}" if filters else f"As {form}, all of it",
        )
        return export(rows, form)

    @admin.display(description="what")
    def what(self, entry: AuditEntry) -> str:
        """Return what was done, and to what, with ways to the operation and to that while they exist."""
        done = _linked(entry, f"operation:{entry.operation_id}", entry.action)
        called = entry.target_name or entry.target
        return format_html("{}<br>{}", done, _linked(entry, entry.target, called)) if called else done

    @admin.display(description="when")
    def when(self, entry: AuditEntry) -> str:
        """Return the time to the second."""
        return f"{timezone.localtime(entry.at):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="by way of")
    def whence(self, entry: AuditEntry) -> str:
        """Return the door, the address, and what the token is called."""
        return ", ".join(part for part in (entry.source, entry.address, entry.token) if part)


def _linked(entry: AuditEntry, target: str, words: str) -> str:
    places: dict[str, str] = getattr(entry, "places", {})
    place = places.get(target)
    return words if place is None else format_html('<a href="{}">{}</a>', place, words)
