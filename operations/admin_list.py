"""The admin's list of operations, whatever the size of the table: nothing counts, sorts or scans all of it.

As on the page (:mod:`operations.selection`), filters that are combined look through a bounded number of the
newest operations; dates lead to older ones. Dates are told from the first and the last alone.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property

from medimgr.lib.access import Person, scope_of
from operations import registry, words
from operations.models import Operation, OperationQuerySet
from operations.selection import COUNTED, edge_of, first_id_since, last_id_until
from operations.states import Status

SOURCES = ("page", "admin", "api", "command", "system")
FOUND = 300
"""A search gives no more of each thing that it looks for."""


class _ChoiceFilter(admin.SimpleListFilter):
    """A filter by equality whose choices come from the program, not from the table."""

    field = ""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        """Return those that fit."""
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


class StatusFilter(_ChoiceFilter):
    """By status."""

    title, parameter_name, field = "status", "status", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return all statuses."""
        return [(status.value, status.value.capitalize()) for status in Status]


class KindFilter(_ChoiceFilter):
    """By kind."""

    title, parameter_name, field = "kind", "kind", "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the kinds that are declared."""
        return [(name, f"{words.label(name)} ({name})") for name in sorted(registry.all_kinds())]


class SourceFilter(_ChoiceFilter):
    """By the way on which it was asked for."""

    title, parameter_name, field = "source", "source", "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the ways that there are."""
        return [(source, source) for source in SOURCES]


class CountedToABound(Paginator):  # type: ignore[type-arg]  # at run time it takes no parameter
    """Counts no further than to one past COUNTED."""

    @cached_property
    def count(self) -> int:
        """Return how many there are, COUNTED + 1 for more. One query of as many index entries."""
        rows = cast("OperationQuerySet", self.object_list)
        return rows.order_by().values("pk")[: COUNTED + 1].count()


class OperationList(ChangeList):
    """The list as the admin shows it, newest first: no other order has an index for every filter."""

    bounded = False
    """Whether only the newest were looked through."""
    limited = False
    """Whether who asks may not look at all of them: no index serves labels."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:  # noqa: ARG002
        """Return by id, which is by age."""
        return ["-pk"]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Return what fits the filters, bounded by ids so that no database reads much more than that."""
        self.limited = scope_of(request.user).hides_something
        try:
            rows = super().get_queryset(request, exclude_parameters)
        except (ValueError, OverflowError) as error:  # Django's own reckoning past the year 9999
            raise IncorrectLookupParameters(error) from error
        within = Operation.objects.order_by("-pk")
        for condition in self._dates():
            rows, within = rows.filter(condition), within.filter(condition)
        conditions, others = self._conditions()
        if len(conditions) + others > 1 or others:
            edges = [edge_of(within.filter(one)) for one in conditions]
            if others:  # they have no index of their own
                edges.append(edge_of(within))
            reached = [edge for edge in edges if edge is not None]
            if reached:
                self.bounded = True
                rows = rows.filter(pk__gte=max(reached))
        return rows

    def get_results(self, request: HttpRequest) -> None:
        """Read the page; the foot alone says how many there are, since the search would claim to know."""
        super().get_results(request)
        self.full_result_count = self.result_count

    @property
    def count_words(self) -> str:
        """Return how many there are, as the foot of the list says it."""
        if self.result_count > COUNTED:
            return f"more than {COUNTED:,} operations"
        noun = "operation" if self.result_count == 1 else "operations"
        return f"{self.result_count:,} {noun}"

    def _conditions(self) -> tuple[list[Q], int]:
        """Return the conditions that an index serves, and how many others there are."""
        conditions, others = [], int(self.limited)
        for name, values in self.get_filters_params().items():
            if name in {"status", "kind"} and values[-1:] != [""]:
                conditions.append(Q(**{name: values[-1]}))
            elif not name.startswith("created_at__"):
                others += 1
        return conditions, others

    def _dates(self) -> list[Q]:
        """Return the days that are looked at as bounds on ids. Two small queries at the most."""
        span = self._span()
        if span is None:
            return []
        first, last = first_id_since(span[0]), last_id_until(span[1])
        if first is None or last is None:
            return [Q(pk__in=[])]
        return [Q(pk__gte=first, pk__lte=last)]

    def _span(self) -> tuple[datetime, datetime] | None:
        parts = self._date_parts()
        if not parts:
            return None
        year, month, day = (*parts, 1, 1)[:3]
        try:
            first = datetime(year, month, day)
            if len(parts) == 1:
                after = first.replace(year=year + 1)
            else:
                after = first + timedelta(days=1) if len(parts) == 3 else _next_month(first)
            return timezone.make_aware(first), timezone.make_aware(after)
        except (ValueError, OverflowError):
            return None

    def _date_parts(self) -> tuple[int, ...]:
        """Return year, month and day as far as the address names them."""
        parts: list[int] = []
        for unit in ("year", "month", "day"):
            text = str(self.params.get(f"created_at__{unit}", ""))
            if not (text.isascii() and text.isdigit()):
                break
            parts.append(int(text[:9]))
        return tuple(parts)

    def dates(self) -> dict[str, Any]:
        """Return what ``admin/date_hierarchy.html`` shows: every date between the first and the last.

        Two small queries, however many operations there are; a date may turn out to have none.
        """
        if self.limited:  # the first and the last may be somebody else's
            return {"show": False}
        by_time = Operation.objects.order_by("created_at").values_list("created_at", flat=True)
        ends = [by_time.first(), by_time.last()]
        first, last = (timezone.localtime(end) for end in ends if end) if all(ends) else (None, None)
        if first is None or last is None:
            return {"show": False}
        parts = self._date_parts() if self._span() else ()
        if len(parts) == 3:
            day = datetime(*parts)
            return {
                "show": True,
                "back": self._date_link(parts[:2], date_format(day, "YEAR_MONTH_FORMAT")),
                "choices": [{"title": date_format(day, "MONTH_DAY_FORMAT")}],
            }
        if len(parts) == 2:
            return {
                "show": True,
                "back": self._date_link(parts[:1], str(parts[0])),
                "choices": self._choices(first, last, parts, "MONTH_DAY_FORMAT", _next_day, 3),
            }
        if len(parts) == 1 or first.year == last.year:
            year = parts or (first.year,)
            return {
                "show": True,
                "back": self._date_link((), "All dates") if parts else None,
                "choices": self._choices(first, last, year, "YEAR_MONTH_FORMAT", _next_month, 2),
            }
        years = range(first.year, last.year + 1)
        return {
            "show": True,
            "back": None,
            "choices": [self._date_link((year,), str(year)) for year in years],
        }

    def _choices(
        self,
        first: datetime,
        last: datetime,
        parts: tuple[int, ...],
        words_format: str,
        following: Callable[[datetime], datetime],
        length: int,
    ) -> list[dict[str, str]]:
        span = self._span() or (
            timezone.make_aware(datetime(parts[0], 1, 1)),
            timezone.make_aware(datetime(parts[0] + 1, 1, 1)),
        )
        moment = timezone.make_naive(span[0])
        end = min(timezone.make_naive(span[1]), timezone.make_naive(last) + timedelta(microseconds=1))
        choices = []
        while moment < end:
            if following(moment) > timezone.make_naive(first):
                place = (moment.year, moment.month, moment.day)[:length]
                choices.append(self._date_link(place, date_format(moment, words_format)))
            moment = following(moment)
        return choices

    def _date_link(self, parts: tuple[int, ...], title: str) -> dict[str, str]:
        named = {
            f"created_at__{unit}": part for unit, part in zip(("year", "month", "day"), parts, strict=False)
        }
        return {"link": self.get_query_string(named, ["created_at__"]), "title": title}


def found(rows: Any, term: str, user: Person) -> Any:
    """Return those of ``rows`` that a search by ``user`` finds, each word on its own.

    A word is the number of an operation, its target with or without the type, who asked, the id of a batch or
    an error code as a whole: up to FOUND of each. Or it is a part of the reason of one of the newest. For who
    may not look at all operations, all of that is looked for among the newest.
    """
    for word in term.split():
        newest = Operation.objects.order_by("-pk")
        edge = edge_of(newest)
        latest = newest.filter(pk__gte=edge) if edge is not None else newest
        if scope_of(user).hides_something:
            newest = latest = latest.visible_to(user)
        looks: list[OperationQuerySet] = [
            newest.filter(requester=word),
            newest.filter(Q(batch=word) & ~Q(batch="")),
            latest.filter(Q(reason__icontains=word) | Q(error_code=word) | Q(target_key__icontains=word)),
        ]
        kind, _, key = word.partition(":")
        if key:
            looks.append(newest.filter(target_type=kind, target_key=key))
        else:
            types = {declared.target_type for declared in registry.all_kinds().values()}
            looks += [newest.filter(target_type=name, target_key=word) for name in sorted(types)]
        if word.isascii() and word.isdigit() and int(word[:20]) < 2**63:
            looks.append(newest.filter(pk=int(word)))
        ids = {pk for look in looks for pk in look.values_list("pk", flat=True)[:FOUND]}
        rows = rows.filter(pk__in=ids)
    return rows


def _next_day(moment: datetime) -> datetime:
    return moment + timedelta(days=1)


def _next_month(moment: datetime) -> datetime:
    return (moment + timedelta(days=32)).replace(day=1)
