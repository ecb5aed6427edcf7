"""Filters of the admin for what can end in two ways: by time, and because somebody ended it."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone


class StateFilter(admin.SimpleListFilter):
    """Tells what is good from what has expired and from what was ended."""

    title = "state"
    parameter_name = "state"
    ended = "revoked"
    """The word for what somebody has ended."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the choices."""
        return [(word, word.capitalize()) for word in ("good", "expired", self.ended)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the rows of the chosen state."""
        past = Q(expires_at__lte=timezone.now())
        standing = Q(revoked_at__isnull=True)
        chosen = {"good": standing & ~past, "expired": standing & past, self.ended: ~standing}
        return queryset.filter(chosen[self.value() or ""]) if self.value() in chosen else queryset


class LoginStateFilter(StateFilter):
    """Says ended of a login."""

    ended = "ended"
