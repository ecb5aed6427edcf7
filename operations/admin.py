"""Administration of operations: the audit, to be searched; cancel and retry."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from medimgr.lib.access import may
from medimgr.lib.admin_classes import RecordAdmin
from medimgr.lib.problems import Problem
from medimgr.lib.units import clock
from operations.admin_list import (
    CountedToABound,
    KindFilter,
    OperationList,
    SourceFilter,
    StatusFilter,
    found,
)
from operations.admin_purging import PurgingOperations
from operations.intake import retry
from operations.lifecycle import request_cancel
from operations.models import ChoreRun, Operation
from operations.request_origin import requester_of
from operations.requester import Requester

SAID_AT_MOST = 10
ACTED_ON_AT_MOST = 1000


@admin.register(Operation)
class OperationAdmin(PurgingOperations):
    """What was asked for, by whom, and how it went."""

    list_display = (
        "id",
        "kind",
        "target",
        "status",
        "requester",
        "source",
        "created_at",
        "took",
        "error_code",
    )
    list_filter = (StatusFilter, KindFilter, SourceFilter)
    search_fields = ("id",)  # shows the field; what it finds is in get_search_results()
    search_help_text = (
        "A number, a target, a name, a batch or an error code as a whole, or a part of a reason or target "
        "among the newest."
    )
    date_hierarchy = "created_at"
    paginator = CountedToABound
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    actions = ("cancel", "ask_again", "purge")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """Return the list that stays fast."""
        return OperationList

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Operation],
        search_term: str,
    ) -> tuple[QuerySet[Operation], bool]:
        """Return what is found, each once. A few bounded queries for each word."""
        return found(queryset, search_term.replace("\0", ""), request.user), False

    @admin.display
    def target(self, operation: Operation) -> str:
        """Return what it is about."""
        return operation.target_words

    @admin.display(description="Took")
    def took(self, operation: Operation) -> str:
        """Return how long it ran, HH:MM:SS."""
        if operation.started_at is None or operation.finished_at is None:
            return "–"
        return clock((operation.finished_at - operation.started_at).total_seconds())

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may cancel operations."""
        return may(request.user, "cancel", Operation)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may ask for operations again."""
        return may(request.user, "retry", Operation)

    @admin.action(permissions=["cancel"], description="Cancel the selected operations")
    def cancel(self, request: HttpRequest, selected: QuerySet[Operation]) -> None:
        """Ask each to end."""
        self._each(request, selected, request_cancel, "Cancel")

    @admin.action(permissions=["retry"], description="Ask again for the selected operations")
    def ask_again(self, request: HttpRequest, selected: QuerySet[Operation]) -> None:
        """Enqueue each anew."""
        self._each(request, selected, retry, "Ask again")

    def _each(
        self,
        request: HttpRequest,
        selected: QuerySet[Operation],
        act: Callable[[Operation, Requester], Operation],
        label: str,
    ) -> None:
        if selected.order_by().values("pk")[: ACTED_ON_AT_MOST + 1].count() > ACTED_ON_AT_MOST:
            self.message_user(
                request,
                f"{label}: no more than {ACTED_ON_AT_MOST:,} at a time. The page of operations cancels all "
                "that wait and fit its filters.",
                messages.ERROR,
            )
            return
        requester = requester_of(request, "admin")
        done: list[Operation] = []
        refusals: list[str] = []
        for operation in selected.order_by("id"):
            try:
                done.append(act(operation, requester))
            except Problem as problem:
                refusals.append(f"{label}, operation {operation.pk}: refused. {problem.detail}")
        for operation in done[:SAID_AT_MOST]:
            told = format_html(
                '{}: <a href="{}">operation {}</a> ({} {}) is {}.',
                label,
                operation.get_absolute_url(),
                operation.pk,
                operation.kind,
                operation.target_words,
                "asked to end"
                if operation.cancel_requested_at and not operation.finished_at
                else operation.status,
            )
            self.message_user(request, told, messages.SUCCESS)
        for refusal in refusals[:SAID_AT_MOST]:
            self.message_user(request, refusal, messages.ERROR)
        more = max(0, len(done) - SAID_AT_MOST), max(0, len(refusals) - SAID_AT_MOST)
        if any(more):
            self.message_user(
                request, f"{label}: {more[0]} more accepted, {more[1]} more refused.", messages.INFO
            )


@admin.register(ChoreRun)
class ChoreRunAdmin(RecordAdmin[ChoreRun]):
    """When periodic work last ran, and how it went."""

    list_display = (
        "name",
        "started_at",
        "finished_at",
        "took_seconds",
        "next_at",
        "owner",
        "result",
        "failures",
        "error",
    )
    search_fields = ("name", "owner", "result", "error")
    ordering = ("name",)
