"""Selections of rows by what somebody may reach: the same rule as ``may()``, for many rows at a time.

A list, a count, a search, a figure that is made of rows begins with ``visible_to(user)``: what is out of
somebody's sight is to him as if it did not exist.
"""

from typing import Self, TypeVar

from django.db.models import Model, Q, QuerySet

from medimgr.lib.access import Person, scope_of
from medimgr.lib.scope import EVERYTHING, Labels, needle

M = TypeVar("M", bound=Model)


class ScopedRows(QuerySet[M]):
    """Rows that belong to scopes. A subclass says in :meth:`with_labels` which those are."""

    def with_labels(self, labels: Labels) -> Self:
        """Return the rows that have one of ``labels``. Says its own queries; none is evaluated otherwise."""
        raise NotImplementedError

    def visible_to(self, user: Person | None) -> Self:
        """Return what ``user`` may look at, permissions aside. For who is limited, :meth:`with_labels` runs.

        None is a command or the system, which see everything. Queries the scope, once per user object.
        """
        scope = EVERYTHING if user is None else scope_of(user)
        if scope.labels is None or scope.sees_everything:
            return self
        return self.with_labels(scope.labels)

    def reached_by(self, user: Person | None) -> Self:
        """Return what ``user`` may act on, permissions aside. None and queries as :meth:`visible_to`."""
        labels = None if user is None else scope_of(user).labels
        return self if labels is None else self.with_labels(labels)


def holding(labels: Labels, column: str = "labels") -> Q:
    """Return the condition that ``column``, which :func:`medimgr.lib.scope.stored` made, has one of them."""
    fits = Q(pk__in=[])
    for label in sorted(labels):
        fits |= Q(**{f"{column}__contains": needle(label)})
    return fits


class LabelledRows(ScopedRows[M]):
    """Rows with a column ``labels`` of their own. No index serves it: bound what is looked through."""

    def with_labels(self, labels: Labels) -> Self:
        """Return the rows that have one of ``labels``. No query of its own."""
        return self.filter(holding(labels))
