"""Reads which services and workstations an account is limited to."""

from typing import Any

from django.db.models import Q

from medimgr.accounts.models import AccountScope
from medimgr.lib.scope import EVERYTHING, Scope


def scope_of_account(user: Any) -> Scope:
    """Return the scope of a user: what its own and its groups' limits allow together. One query.

    Who has none is not limited.
    """
    if user.pk is None:
        return EVERYTHING
    rows = list(AccountScope.objects.filter(Q(user=user) | Q(group__user=user)))
    if not rows:
        return EVERYTHING
    labels = frozenset().union(*(row.labels for row in rows))
    return Scope(labels, sees_everything=any(row.sees_everything for row in rows))
