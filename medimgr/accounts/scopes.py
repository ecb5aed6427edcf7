"""Reads which services and workstations an account is limited to."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import F, Q

from medimgr.accounts.models import AccountScope
from medimgr.lib.scope import EVERYTHING, Scope


def scope_of_account(user: Any) -> Scope:
    """Return the scope of a user: what its own and its groups' limits allow together. One query.

    Who has none is not limited.
    """
    if user.pk is None:
        return EVERYTHING
    return _together(list(AccountScope.objects.filter(Q(user=user) | Q(group__user=user))))


def scopes_of_accounts(users: Iterable[AbstractBaseUser]) -> dict[int, Scope]:
    """Return the scope of each of the users by its primary key, superusers' too. One query for all of them.

    What a token is limited to is not in it.
    """
    everybody: dict[int, Any] = {user.pk: user for user in users}
    limitable = {pk for pk, user in everybody.items() if not user.is_superuser}
    limits: dict[int, list[AccountScope]] = defaultdict(list)
    if limitable:
        rows = AccountScope.objects.filter(Q(user__in=limitable) | Q(group__user__in=limitable))
        for row in rows.annotate(member=F("group__user")):  # once for each member
            limits[row.user_id or row.member].append(row)
    return {pk: _together(limits[pk] if pk in limitable else []) for pk in everybody}


def _together(rows: "list[AccountScope]") -> Scope:
    if not rows:
        return EVERYTHING
    labels = frozenset().union(*(row.labels for row in rows))
    return Scope(labels, sees_everything=any(row.sees_everything for row in rows))
