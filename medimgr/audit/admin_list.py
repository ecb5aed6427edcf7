"""The admin's list of the audit: its filters, its dates, its search. Quick whatever the size of the table."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property

from medimgr.audit.date_choices import Parts, choices_in, span_of
from medimgr.audit.models import AuditEntry
from medimgr.audit.places import places_of

SOURCES = ("page", "admin", "api", "command", "system")
OUTCOMES = ("done", "asked", "refused", "failed")
COUNTED = 10_000
NAMES_OFFERED = 100
_UNITS = ("year", "month", "day")
_FORMATS = ("", "YEAR_MONTH_FORMAT", "MONTH_DAY_FORMAT")


class _EqualFilter(admin.SimpleListFilter):
    """A filter by equality with what a column holds."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        """Return those that fit."""
        return queryset.filter(**{self.parameter_name or "": self.value()}) if self.value() else queryset


class _TableFilter(_EqualFilter):
    """One that offers what the table holds. Each value is one look into an index."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the values there are, the first 100 of them."""
        name = self.parameter_name or ""
        rows = AuditEntry.objects.order_by(name).values_list(name, flat=True).distinct()
        return [(value, value) for value in rows[:NAMES_OFFERED]]


class WhoFilter(_TableFilter):
    """By who did it."""

    title, parameter_name = "who", "who"


class ActionFilter(_TableFilter):
    """By what was done."""

    title, parameter_name = "action", "action"


class SourceFilter(_EqualFilter):
    """By the door through which it came."""

    title, parameter_name = "source", "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the doors there are."""
        return [(source, source) for source in SOURCES]


class OutcomeFilter(_EqualFilter):
    """By how it went."""

    title, parameter_name = "outcome", "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the ways in which it can go."""
        return [(outcome, outcome) for outcome in OUTCOMES]


class CountedToABound(Paginator):  # type: ignore[type-arg]  # at run time it takes no parameter
    """Counts no further than to one past COUNTED."""

    @cached_property
    def count(self) -> int:
        """Return how many there are, COUNTED + 1 for more. One query."""
        rows: Any = self.object_list
        found: int = rows.order_by().values("pk")[: COUNTED + 1].count()
        return found


class AuditList(ChangeList):
    """The list as the admin shows it, newest first: no other order has an index for every filter."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:  # noqa: ARG002
        """Return by id, which is by age."""
        return ["-pk"]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Return what fits the filters; dates as bounds, for which there is an index."""
        try:
            rows = super().get_queryset(request, exclude_parameters)
        except (ValueError, OverflowError) as error:  # Django's own reckoning past the year 9999
            raise IncorrectLookupParameters(error) from error
        span = span_of(self._parts())
        if span is None:
            return rows
        begin, end = (timezone.make_aware(moment) for moment in (span.begin, span.end))
        return rows.filter(at__gte=begin, at__lt=end)

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and where what it names can be looked at: one query for each type of target."""
        super().get_results(request)
        self.full_result_count = self.result_count
        entries = list(self.result_list)
        operations = [f"operation:{entry.operation_id}" for entry in entries if entry.operation_id]
        places = places_of([*(entry.target for entry in entries), *operations])
        for entry in entries:
            entry.places = places
        self.result_list = entries

    @property
    def count_words(self) -> str:
        """Return how many there are, as the foot of the list says it."""
        if self.result_count > COUNTED:
            return f"more than {COUNTED:,} entries"
        return f"{self.result_count:,} {'entry' if self.result_count == 1 else 'entries'}"

    def dates(self) -> dict[str, Any]:
        """Return what ``admin/date_hierarchy.html`` shows. Two small queries; a date may turn out empty."""
        times = AuditEntry.objects.order_by("at").values_list("at", flat=True)
        ends: list[datetime | None] = [times.first(), times.last()]
        days = [timezone.localtime(end).date() for end in ends if end is not None]
        if len(days) < 2:
            return {"show": False}
        parts = self._parts() if span_of(self._parts()) else ()
        back = None
        if parts:
            wider = parts[:-1]
            back = self._link(wider, _called(wider) if wider else "All dates")
        if len(parts) == len(_UNITS):
            choices: list[dict[str, str]] = [{"title": _called(parts)}]
        else:
            choices = [self._link(one, _called(one)) for one in choices_in(parts, days[0], days[1])]
        return {"show": True, "back": back, "choices": choices}

    def _parts(self) -> Parts:
        """Return year, month and day as far as the address names them."""
        parts: list[int] = []
        for unit in _UNITS:
            text = str(self.params.get(f"at__{unit}", ""))
            if not (text.isascii() and text.isdigit()):
                break
            parts.append(int(text[:9]))
        return tuple(parts)

    def _link(self, parts: Parts, title: str) -> dict[str, str]:
        named = {f"at__{unit}": part for unit, part in zip(_UNITS, parts, strict=False)}
        return {"link": self.get_query_string(named, ["at__"]), "title": title}


def _called(parts: Parts) -> str:
    if len(parts) == 1:
        return str(parts[0])
    year, month, day = (*parts, 1)[:3]
    return date_format(datetime(year, month, day), _FORMATS[len(parts) - 1])
