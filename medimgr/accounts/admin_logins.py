"""Logins by API in the admin: who is logged in from where, and a way to end it."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from medimgr.accounts import families
from medimgr.accounts.admin_filters import LoginStateFilter
from medimgr.accounts.admin_tokens import issuer_of, short
from medimgr.accounts.models import TokenFamily
from medimgr.audit.recording import record
from medimgr.lib.access import may
from medimgr.lib.admin_classes import RecordAdmin


@admin.register(TokenFamily)
class TokenFamilyAdmin(RecordAdmin[TokenFamily]):
    """Logins by API, those that ended too for as long as they are kept."""

    list_display = ("user", "standing", "address", "client", "began", "refreshed")
    list_filter = (LoginStateFilter, "revoked_why")
    list_select_related = ("user",)
    search_fields = ("user__username", "address", "client")
    ordering = ("-created_at",)
    actions: Any = ("end",)
    fields = (
        "user",
        "standing",
        "created_at",
        "refreshed_at",
        "expires_at",
        "address",
        "client",
        "revoked_at",
        "revoked_why",
    )

    @admin.display(description="State")
    def standing(self, row: TokenFamily) -> str:
        """Return whether it is good, expired or ended."""
        if row.revoked_at is not None:
            return f"ended ({row.revoked_why})"
        return "expired" if row.expires_at <= timezone.now() else "good"

    @admin.display(description="Since", ordering="created_at")
    def began(self, row: TokenFamily) -> str:
        """Return when it began, short."""
        return short(row.created_at)

    @admin.display(description="Refreshed", ordering="refreshed_at")
    def refreshed(self, row: TokenFamily) -> str:
        """Return when it was refreshed last, short."""
        return short(row.refreshed_at)

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may end logins; the action is hidden otherwise."""
        return may(request.user, "change", TokenFamily)

    @admin.action(permissions=["end"], description="End the selected logins")
    def end(self, request: HttpRequest, selected: QuerySet[TokenFamily]) -> None:
        """End each, with all its tokens; its streams end within a heartbeat."""
        ended = 0
        issuer = issuer_of(request)
        for row in selected.select_related("user"):
            with transaction.atomic():
                if families.end(row.pk, "administrator"):
                    ended += 1
                    record(
                        "token.revoke",
                        who=issuer.name,
                        source=issuer.source,
                        user=issuer.user,
                        address=issuer.address,
                        target=f"login:{row.pk}",
                        target_name=str(row),
                    )
        self.message_user(request, f"Ended {ended} login(s).", messages.SUCCESS if ended else messages.INFO)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one login, with a button that ends it for those who may, where it has not ended."""
        row = self.get_object(request, object_id)
        endable = row is not None and row.revoked_at is None and self.has_end_permission(request)
        tools = [{"action": "end", "label": "End this login"}] if endable else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "tools": tools})
