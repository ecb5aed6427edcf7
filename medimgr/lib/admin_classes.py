"""What the admin of every app is built from: typed classes, and records that nobody may change."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from medimgr.lib.access import in_sight, may
from medimgr.lib.scoped_rows import ScopedRows

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Model)

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    # Generic for the type checker alone; at run time Django's classes take no parameter.

    class _Subscriptable:
        def __class_getitem__(cls, _parameters: Any) -> type:
            return cls

    class ModelAdmin(_Subscriptable, admin.ModelAdmin):
        """Django's, which may be written with its model: ``ModelAdmin[Service]``."""

    class TabularInline(_Subscriptable, admin.TabularInline):
        """Django's, which may be written with its models: ``TabularInline[Child, Parent]``."""


class ScopedAdmin(ModelAdmin[M]):
    """For rows that belong to scopes: what is out of somebody's sight is not there, nor its names."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        """Return the rows that the user may look at."""
        rows = super().get_queryset(request)
        return rows.visible_to(request.user) if isinstance(rows, ScopedRows) else rows

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form; it knows who fills it in as ``asking``."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.asking = request.user  # a class of this request's own
        return form

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Return whether the user may look at rows, or at this one."""
        return super().has_view_permission(request, obj) and (obj is None or in_sight(request.user, obj))

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Return whether the user may change rows, or this one."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may(request.user, "change", obj))

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Return whether the user may delete rows, or this one."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or may(request.user, "delete", obj))


class RecordAdmin(ScopedAdmin[M]):
    """For rows that medimgr itself writes: to be looked at, searched and filtered, never changed.

    The total of a filtered list is not counted: these tables grow.
    """

    show_full_result_count = False
    actions: Any = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:  # noqa: ARG002
        """Refuse on the records' own pages, where retention deletes; let them go along with their owner.

        Django asks this of everything that a deletion takes along: an account could otherwise not be
        deleted while a page of its is open.
        """
        page = request.resolver_match.url_name or "" if request.resolver_match else ""
        own_page = page.startswith(f"{self.opts.app_label}_{self.opts.model_name}_")
        return page.endswith(("_delete", "_changelist")) and not own_page


__all__ = ["ModelAdmin", "RecordAdmin", "ScopedAdmin", "TabularInline"]
