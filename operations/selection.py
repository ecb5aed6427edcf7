"""Which operations somebody wants to see: one object for the page, the API and what is done to many at once.

Nothing here reads more than a bounded part of the table, however the filters are combined and however many
operations there are. Ids grow with time, so the newest first means by id, and every filter has an index
that gives its rows in that order. Where filters are combined, the rows of one are looked through for those
that fit the others, no more than LOOKED_THROUGH at a time; what is behind that is the next page.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from heapq import merge
from itertools import islice

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from medimgr.lib.access import Person, scope_of
from medimgr.lib.scope import Labels
from medimgr.lib.scoped_rows import holding
from operations.exceptions import BadFilter
from operations.models import Operation, OperationQuerySet
from operations.states import ACTIVE_VALUES, FINISHED_VALUES, Status

LOOKED_THROUGH = 5000
"""So many operations of one filter are looked through for those that fit the other filters."""
COUNTED = 10_000
"""More are not counted: "more than 10,000" says enough."""
GROUPS: dict[str, tuple[str, ...]] = {
    "active": tuple(ACTIVE_VALUES),
    "ended": tuple(FINISHED_VALUES),
    "failures": (Status.FAILED.value, Status.TIMEOUT.value),
}
"""What may be said for a status besides a status itself."""
FIELDS = ("status", "kind", "target", "requested_by", "batch", "since")
_STATUSES = tuple(status.value for status in Status)
_LONGEST = 200
_AGE = re.compile(r"(\d{1,5})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# Requests are stored a moment after the clock is read, so ids and times cross among close neighbours.
_NEIGHBOURS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One page of the operations that fit, newest first."""

    rows: list[Operation]
    older: int | None
    """Go on with what is before this id; None: there is nothing older."""
    newer: int | None
    """Go back to what is after this id; None: these are the newest."""
    count: int | None = None
    """How many fit, all pages together; None on all pages but the first."""
    complete: bool = True
    """Whether ``count`` is all: nobody counts past COUNTED, nor what was not looked through."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters on operations, all of which have to fit. Empty: every operation does."""

    status: str = ""
    """A status, or one of GROUPS."""
    kind: str = ""
    target: str = ""
    """``service:backend``, or ``service`` for all of that type."""
    requested_by: str = ""
    batch: str = ""
    since: str = ""
    """As it was asked for: an age like ``15m``, ``24h`` or ``7d``, or a time."""
    since_at: datetime | None = None
    labels: Labels | None = None
    """Of what has one of these alone; None: of everything. No index serves it."""

    @classmethod
    def read(cls, given: Mapping[str, str], now: datetime | None = None) -> "Selection":
        """Return the filters in a query string or body, where what is empty does not filter.

        Raises BadFilter, which names every field that can't be meant. No query.
        """
        values = {name: given.get(name, "").strip() for name in FIELDS}
        errors: dict[str, list[str]] = {}
        for name, value in values.items():
            if "\0" in value:
                errors[name] = ["It contains a NUL character"]
            elif len(value) > _LONGEST:
                errors[name] = [f"It has {len(value)} characters; {_LONGEST} is the most"]
        status = values["status"]
        status = status.upper() if status.upper() in _STATUSES else status.lower()
        if status and status not in _STATUSES and status not in GROUPS:
            errors.setdefault("status", [f"It is none of {', '.join([*_STATUSES, *GROUPS])}"])
        since_at = None
        if values["since"] and "since" not in errors:
            since_at = _moment(values["since"], now or timezone.now())
            if since_at is None:
                errors["since"] = ["It is neither an age like 15m, 24h or 7d nor a date or time"]
        if errors:
            raise BadFilter(
                f"Correct {', '.join(sorted(errors))}. {next(iter(errors.values()))[0]}.", errors=errors
            )
        return cls(
            status=status,
            kind=values["kind"],
            target=values["target"],
            requested_by=values["requested_by"],
            batch=values["batch"],
            since=values["since"],
            since_at=since_at,
        )

    def visible_to(self, user: Person) -> "Selection":
        """Return the same filters on what ``user`` may look at. Queries the scope, once per user object."""
        scope = scope_of(user)
        return replace(self, labels=scope.labels) if scope.hides_something else self

    def reached_by(self, user: Person | None) -> "Selection":
        """Return the same filters on what ``user`` may act on; None, for commands, on everything.

        Queries the scope, once per user object.
        """
        return self if user is None else replace(self, labels=scope_of(user).labels)

    @property
    def given(self) -> dict[str, str]:
        """Return the filters that filter, as they stand in a query string. No query."""
        return {name: value for name in FIELDS if (value := getattr(self, name))}

    @property
    def statuses(self) -> tuple[str, ...]:
        """Return the statuses that fit; empty: any does. No query."""
        return GROUPS.get(self.status) or ((self.status,) if self.status else ())

    def waiting(self) -> "Selection | None":
        """Return the same filters on what waits alone; None where they want only others. No query."""
        if self.statuses and Status.PENDING not in self.statuses:
            return None
        return replace(self, status=Status.PENDING.value)

    def rows(self) -> OperationQuerySet:
        """Return what fits as a plain query, in no order; not for showing a page of a large table."""
        rows = Operation.objects.order_by()
        if self.statuses:
            rows = rows.filter(status__in=self.statuses)
        if self.since_at is not None:
            rows = rows.filter(created_at__gte=self.since_at)
        return rows.filter(*self._conditions())

    def fitting(
        self, *, before: int | None = None, after: int | None = None, limit: int
    ) -> tuple[list[int], int | None]:
        """Return up to ``limit`` ids that fit, and where the look ended: at an id, None for the end of all.

        The newest first of those before ``before``; with ``after`` the oldest first of those after it. At
        most two queries for each filter and status that is asked for, and one more for ``since``.
        """
        rows = Operation.objects.order_by("id" if after is not None else "-id")
        if before is not None:
            rows = rows.filter(pk__lt=before)
        if after is not None:
            rows = rows.filter(pk__gt=after)
        conditions = self._conditions()
        if self.since_at is not None:
            first = first_id_since(self.since_at)
            if first is None:
                return [], None
            rows = rows.filter(pk__gte=first)
            conditions.append(Q(created_at__gte=self.since_at))
        statuses: list[Q] = [Q(status=status) for status in self.statuses] or [Q()]
        indexed = self._indexed()
        edge = None
        limited = self.labels is not None
        if len(indexed) + bool(self.statuses) > 1 or self._about_a_type or limited:
            looks = [rows.filter(one) for one in [*indexed, *filter(None, statuses)]]
            if self._about_a_type or not looks:  # which no index gives in this order
                looks.append(rows)
            reached = [one for one in map(edge_of, looks) if one is not None]
            if reached:
                edge = min(reached) if after is not None else max(reached)
                rows = rows.filter(pk__lte=edge) if after is not None else rows.filter(pk__gte=edge)
        rows = rows.filter(*conditions)
        # One query for each status: of two at a time no index gives the newest first.
        found = [list(rows.filter(status).values_list("pk", flat=True)[:limit]) for status in statuses]
        return list(islice(merge(*found, reverse=after is None), limit)), edge

    def page(self, *, before: int | None = None, after: int | None = None, limit: int) -> Part:
        """Return the page that begins before ``before`` or ends after ``after``; the first without either.

        It may have fewer rows than ``limit`` though there are older ones, see :meth:`fitting`. As many
        queries as that, and one.
        """
        first = before is None and after is None
        ids, edge = self.fitting(
            before=before, after=after, limit=max(limit, COUNTED) + 1 if first else limit + 1
        )
        further = ids[limit - 1] if len(ids) > limit else edge
        by_id = Operation.objects.in_bulk(ids[:limit])
        rows = [by_id[pk] for pk in sorted(by_id, reverse=True)]
        if after is not None:
            return Part(rows, older=rows[-1].pk if rows else after + 1, newer=further)
        if before is not None:
            return Part(rows, older=further, newer=rows[0].pk if rows else before - 1)
        complete = edge is None and len(ids) <= COUNTED
        return Part(rows, older=further, newer=None, count=min(len(ids), COUNTED), complete=complete)

    def from_offset(self, offset: int, limit: int) -> Part:
        """Return ``limit`` that fit after passing over ``offset``: whatever that costs. Two queries."""
        ids = list(self.rows().order_by("-id").values_list("pk", flat=True)[offset : offset + limit + 1])
        rows = sorted(Operation.objects.filter(pk__in=ids[:limit]), key=lambda row: -row.pk)
        return Part(rows, older=ids[limit - 1] if len(ids) > limit else None, newer=None)

    def count(self) -> tuple[int, bool]:
        """Return how many fit, and whether that is all (see :class:`Part`). Queries as :meth:`fitting`."""
        ids, edge = self.fitting(limit=COUNTED + 1)
        return min(len(ids), COUNTED), edge is None and len(ids) <= COUNTED

    @property
    def _about_a_type(self) -> bool:
        return bool(self.target) and not self.target.partition(":")[2]

    def _conditions(self) -> list[Q]:
        return [
            *self._indexed(),
            *([Q(target_type=self.target.partition(":")[0])] if self._about_a_type else []),
            *([holding(self.labels)] if self.labels is not None else []),
        ]

    def _indexed(self) -> list[Q]:
        """Return those conditions that an index each gives in the order of ids."""
        conditions = []
        if self.kind:
            conditions.append(Q(kind=self.kind))
        if self.target and not self._about_a_type:
            kind, _, key = self.target.partition(":")
            conditions.append(Q(target_type=kind, target_key=key))
        if self.requested_by:
            conditions.append(Q(requester=self.requested_by))
        if self.batch:
            # As the condition of the index says it, which the database would not see otherwise.
            conditions.append(Q(batch=self.batch) & ~Q(batch=""))
        return conditions


def first_id_since(moment: datetime) -> int | None:
    """Return an id that no operation asked for at ``moment`` or later is below. One small query."""
    rows = Operation.objects.filter(created_at__gte=moment).order_by("created_at")
    return min(rows.values_list("pk", flat=True)[:_NEIGHBOURS], default=None)


def last_id_until(moment: datetime) -> int | None:
    """Return an id that no operation asked for before ``moment`` is above. One small query."""
    rows = Operation.objects.filter(created_at__lt=moment).order_by("-created_at")
    return max(rows.values_list("pk", flat=True)[:_NEIGHBOURS], default=None)


def edge_of(rows: OperationQuerySet) -> int | None:
    """Return the id where a look through ``rows`` in their order ends; None where it reaches their end."""
    return next(iter(rows.values_list("pk", flat=True)[LOOKED_THROUGH : LOOKED_THROUGH + 1]), None)


def _moment(text: str, now: datetime) -> datetime | None:
    try:
        if age := _AGE.fullmatch(text):
            return now - timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
        moment = parse_datetime(text)
        if moment is None:
            day = parse_date(text)
            moment = datetime.combine(day, time()) if day else None
        if moment is not None and timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
        return moment.astimezone(timezone.get_default_timezone()) if moment else None
    except (ValueError, OverflowError):
        return None
