"""What the admin of every app is built from: typed classes, and records that nobody may change."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

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


class RecordAdmin(ModelAdmin[M]):
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


__all__ = ["ModelAdmin", "RecordAdmin", "TabularInline"]
