"""Administration of workstations: declare them, and ask for connection tests."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from medimgr.lib.access import may
from medimgr.lib.admin_classes import ModelAdmin
from medimgr.lib.problems import Problem
from operations.request_origin import requester_of
from workstations.handlers import request_test
from workstations.models import Workstation


@admin.register(Workstation)
class WorkstationAdmin(ModelAdmin[Workstation]):
    """Workstations with what the last connection test said."""

    list_display = ("name", "host", "port", "status", "status_since", "last_error")
    list_filter = ("status",)
    search_fields = ("name", "host")
    readonly_fields = ("status", "status_since", "last_error")
    actions = ("ask_for_connection_test",)

    @admin.action(permissions=["test"], description="Test the connection to the selected workstations")
    def ask_for_connection_test(self, request: HttpRequest, queryset: QuerySet[Workstation]) -> None:
        """Queue a test for each; the operations worker carries them out."""
        asked = []
        for workstation in queryset:
            try:
                asked.append(request_test(workstation, requester_of(request, "admin")))
            except Problem as problem:
                self.message_user(request, f"{workstation}: {problem.detail}", messages.WARNING)
        for operation in asked:
            self.message_user(
                request,
                format_html(
                    'Connection test of {} asked for: <a href="{}">operation {}</a>.',
                    operation.target,
                    operation.get_absolute_url(),
                    operation.pk,
                ),
                messages.SUCCESS,
            )

    def has_test_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may test connections; the action is hidden otherwise."""
        return may(request.user, "test", Workstation)
