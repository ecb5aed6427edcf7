"""Machines' tokens in the admin: issued, looked at, revoked; never changed and never deleted by hand."""

from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from medimgr.accounts import machine_tokens, token_rows
from medimgr.accounts.admin_filters import StateFilter
from medimgr.accounts.machine_tokens import Issuer
from medimgr.accounts.models import MachineToken
from medimgr.accounts.token_form import MachineTokenForm
from medimgr.lib.access import may
from medimgr.lib.admin_classes import RecordAdmin
from medimgr.lib.problems import Problem
from medimgr.lib.request_address import address_of

_TEMPLATES = "admin/accounts/machinetoken"


def issuer_of(request: HttpRequest) -> Issuer:
    """Return who acts in the admin, for a token's row and the audit."""
    user = cast(User, request.user)
    return Issuer(user.get_username(), "admin", user, address_of(request))


def short(at: datetime | None) -> str:
    """Return a time as lists have room for it, in the time zone of the settings; ``never`` for none."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else "never"


@admin.register(MachineToken)
class MachineTokenAdmin(RecordAdmin[MachineToken]):
    """What tokens there are, what each may do, and when it was used last."""

    list_display = ("name", "standing", "user", "used", "expires", "limited")
    list_filter = (StateFilter, ("user", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    ordering = ("name",)
    actions: Any = ("revoke",)
    fields = (
        "name",
        "user",
        "prefix",
        "standing",
        "may_do",
        "groups",
        "tags",
        "created_at",
        "created_by",
        "expires_at",
        "last_used_at",
        "last_used_address",
        "revoked_at",
        "revoked_by",
    )

    @admin.display(description="State")
    def standing(self, row: MachineToken) -> str:
        """Return whether it is good, expired or revoked."""
        return token_rows.state(row, timezone.now())

    @admin.display(description="Last used", ordering="last_used_at")
    def used(self, row: MachineToken) -> str:
        """Return when it was used last, short."""
        return short(row.last_used_at)

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, row: MachineToken) -> str:
        """Return when it expires, short."""
        return short(row.expires_at)

    @admin.display(description="Limited to")
    def limited(self, row: MachineToken) -> str:
        """Return its permissions as a number, its groups and tags by name."""
        return token_rows.limits(row)

    @admin.display(description="Permissions")
    def may_do(self, row: MachineToken) -> str:
        """Return its permissions by name."""
        return ", ".join(row.permissions)

    @admin.display(description="Service groups")
    def groups(self, row: MachineToken) -> str:
        """Return what it is limited to, if to anything."""
        return ", ".join(row.service_groups)

    @admin.display(description="Workstation tags")
    def tags(self, row: MachineToken) -> str:
        """Return what it is limited to, if to anything."""
        return ", ".join(row.workstation_tags)

    # --- issuing ---------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may issue tokens."""
        return may(request.user, "add", MachineToken)

    @method_decorator(never_cache)
    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form; on a POST issue the token and show it, this once, on a page that nobody keeps."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = MachineTokenForm(cast(User, request.user), request.POST if request.method == "POST" else None)
        context = self._context(request, "Issue a token for a machine") | (extra_context or {})
        if request.method == "POST" and form.is_valid():
            try:
                issued = form.issue(issuer_of(request))
            except Problem as problem:
                form.show(problem.errors, problem.detail)
            else:
                context |= {"title": "Keep this token", "token": issued.token, "row": issued.row}
                return TemplateResponse(request, f"{_TEMPLATES}/issued.html", context)
        return TemplateResponse(request, f"{_TEMPLATES}/issue.html", context | {"form": form})

    # --- revoking --------------------------------------------------------------------------

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may revoke tokens; the action is hidden otherwise."""
        return may(request.user, "revoke", MachineToken)

    @admin.action(permissions=["revoke"], description="Revoke the selected tokens…")
    def revoke(self, request: HttpRequest, selected: QuerySet[MachineToken]) -> HttpResponse | None:
        """Ask first, since it is for good; then revoke each."""
        rows = list(selected.filter(revoked_at__isnull=True).order_by("name"))
        if not rows:
            self.message_user(request, "Nothing to do: all of them are revoked.", messages.INFO)
            return None
        if "confirmed" not in request.POST:
            context = self._context(request, "Revoke these tokens?") | {
                "rows": rows,
                "checkbox": helpers.ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, f"{_TEMPLATES}/revoke.html", context)
        for row in rows:
            if machine_tokens.revoke(row, issuer_of(request)):
                self.message_user(request, f"Revoked {row.name}.", messages.SUCCESS)
        return None

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one token, with a button that revokes it for those who may, where it still can be."""
        row = self.get_object(request, object_id)
        revocable = row is not None and row.revoked_at is None and self.has_revoke_permission(request)
        tools = [{"action": "revoke", "label": "Revoke…"}] if revocable else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "tools": tools})

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        request.current_app = self.admin_site.name
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "media": self.media,
        }
