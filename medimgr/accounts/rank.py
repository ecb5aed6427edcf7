"""Who may change whose account: nobody gives what he does not have, nor takes over who may do more.

Without this, whoever may change accounts could make himself a superuser, or set a superuser's password.
"""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet

from medimgr.lib.access import scope_of


def may_manage_accounts(user: Any) -> bool:
    """Return whether ``user`` is not limited: who is could lift his own limits. One query at first."""
    return scope_of(user).is_everything


def permissions_held(user: User) -> QuerySet[Permission]:
    """Return the permissions of an account, all where it is a superuser's; whether it is active or not."""
    if user.is_superuser:
        return Permission.objects.all()
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def groups_to_give(user: User) -> QuerySet[Group]:
    """Return the groups that allow nothing which ``user`` may not do."""
    if user.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=permissions_held(user).values("pk"))
    return Group.objects.exclude(pk__in=Group.objects.filter(permissions__in=beyond).values("pk"))


def outranks(user: User, account: User) -> bool:
    """Return whether ``user`` may do all that ``account`` may, and so may change it. One query at most."""
    if user.is_superuser or user.pk == account.pk:
        return True
    if account.is_superuser:
        return False
    beyond = permissions_held(account).exclude(pk__in=permissions_held(user).values("pk"))
    return not beyond.exists()
