"""The admin's page for deleting finished operations: how much is to stay, then an operation that does it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html

from medimgr.lib.access import may_everywhere
from medimgr.lib.admin_classes import RecordAdmin
from medimgr.lib.problems import Problem
from operations.models import Operation
from operations.purge_operation import ask_for_purge
from operations.request_origin import requester_of

_TEMPLATE = "admin/operations/operation/purge.html"
_CHANGELIST = "admin:operations_operation_changelist"
_PURGE = "admin:operations_operation_purge"


class PurgeForm(forms.Form):
    """What is to stay. Texts: what they may be is checked where the API's and the command's are."""

    keep_hours = forms.CharField(
        max_length=40, initial="1", label="Keep hours", help_text="What ended within so many hours stays."
    )
    keep_per_target = forms.CharField(
        max_length=40,
        initial="0",
        label="Keep per target",
        help_text="So many of each target stay, the newest, however old they are.",
    )


class PurgingOperations(RecordAdmin[Operation]):
    """Adds the page, and the ways to it, to the operations' admin."""

    actions: Any = ("purge",)

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs with that of the page before them, since the others take any word as a key."""
        view = self.admin_site.admin_view(self.purge_view)
        return [path("purge/", view, name="operations_operation_purge"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with a way to the page for those who may."""
        return super().changelist_view(
            request, {**(extra_context or {}), "may_purge": self.has_purge_permission(request)}
        )

    def has_purge_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may delete finished operations."""
        return may_everywhere(request.user, "purge", Operation)

    @admin.action(permissions=["purge"], description="Delete finished operations by age…")
    def purge(self, request: HttpRequest, selected: QuerySet[Operation]) -> HttpResponse:  # noqa: ARG002
        """Go to the page: it is their age that counts, not what is selected."""
        return HttpResponseRedirect(reverse(_PURGE))

    def purge_view(self, request: HttpRequest) -> HttpResponse:
        """Show the form; on a POST ask for the operation that deletes, and go to the list."""
        if not self.has_purge_permission(request):
            raise PermissionDenied
        form = PurgeForm(request.POST if request.method == "POST" else None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Delete finished operations",
            "opts": self.opts,
            "media": self.media,
            "form": form,
        }
        if request.method == "POST" and form.is_valid():
            try:
                asked = ask_for_purge(requester_of(request, "admin"), **form.cleaned_data)
            except Problem as problem:
                context["fault"] = problem.detail
            else:
                told = format_html(
                    'They are deleted by <a href="{}">operation {}</a>, which can be followed and cancelled.',
                    asked.get_absolute_url(),
                    asked.pk,
                )
                self.message_user(request, told, messages.SUCCESS)
                return HttpResponseRedirect(reverse(_CHANGELIST))
        request.current_app = self.admin_site.name
        return TemplateResponse(request, _TEMPLATE, context)
