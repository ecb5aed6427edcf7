"""The admin of medimgr: Django's, in which every change that somebody makes is written down."""

import json
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from medimgr.audit.models import AuditEntry
from medimgr.audit.recording import entry, record_all
from medimgr.lib.request_address import address_of


class AuditedSite(AdminSite):
    """Django's site, of which every part is an :class:`AuditedChanges`, whoever registers it."""

    def register(
        self,
        model_or_iterable: Any,
        admin_class: "type[ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        """Register a model's part, made to write down what is changed in it."""
        base: Any = admin_class or ModelAdmin
        made = type(base.__name__, (AuditedChanges, base), {"__module__": base.__module__})
        super().register(model_or_iterable, made, **options)


class AuditedChanges:
    """Writes down what is added, changed and deleted, beside Django's own log, in the same transaction.

    The names of the fields are told, never what was in them.
    """

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Write down that something was added."""
        record_all([_entry(request, "admin.add", obj, "")])
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Write down that something was changed, and which of its fields."""
        record_all([_entry(request, "admin.change", obj, _words(message))])
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: "QuerySet[Any]") -> Any:
        """Write down that something was deleted. One insert for all of it."""
        record_all(_entry(request, "admin.delete", obj, "") for obj in queryset)
        return super().log_deletions(request, queryset)  # type: ignore[misc]


def _entry(request: HttpRequest, action: str, obj: Model, detail: str) -> AuditEntry:
    key = getattr(obj, "key", None) or obj.pk
    return entry(
        action,
        who=request.user.get_username(),
        user=request.user,
        source="admin",
        address=address_of(request),
        target=f"{obj._meta.model_name}:{key}",
        target_name=str(obj),
        detail=detail,
    )


def _words(message: Any) -> str:
    """Return Django's own words for what was changed."""
    text = message if isinstance(message, str) else json.dumps(message)
    return str(LogEntry(change_message=text).get_change_message())
