"""What lists in the admin can be narrowed to."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from workstations.tags import all_tags, tagged


class TagFilter(admin.SimpleListFilter):
    """Workstations by a tag. Two queries."""

    title = "tag"
    parameter_name = "tag"
    field = "pk__in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the tags that are in use, as far as the user may look."""
        return [(tag, tag) for tag in all_tags(request.user)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those with the tag."""
        tag = self.value()
        return queryset.filter(**{self.field: tagged(tag, request.user)}) if tag else queryset


class WorkstationTagFilter(TagFilter):
    """Rows by a tag of their workstation."""

    title = "tag of the workstation"
    field = "workstation__in"
