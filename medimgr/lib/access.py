"""Who may do what: the one question that page, admin, API and stream ask."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model

from medimgr.lib.problems import Problem


def permission(verb: str, model: type[Model]) -> str:
    """Return the name of the Django permission that allows ``verb`` on ``model``."""
    return f"{model._meta.app_label}.{verb}_{model._meta.model_name}"


def may(user: AbstractBaseUser | AnonymousUser, verb: str, obj: Model | type[Model]) -> bool:
    """Return whether ``user`` may do ``verb`` (``view``, ``start``, ``stop`` ...) to ``obj``.

    ``obj`` is a row or a model class. Only active staff may do anything at all. The first call for a
    user queries the database; Django caches the user's permissions on the user object after that.
    """
    person: Any = user
    if not (person.is_active and person.is_staff):
        return False
    model = obj if isinstance(obj, type) else type(obj)
    return bool(person.has_perm(permission(verb, model)))


def permitted_users(user_ids: Iterable[int], verb: str, model: type[Model]) -> frozenset[int]:
    """Return those of the users who :func:`may` do ``verb`` to ``model``, in one query for all of them."""
    people = get_user_model()._default_manager.with_perm(
        permission(verb, model), backend="django.contrib.auth.backends.ModelBackend"
    )
    return frozenset(people.filter(pk__in=list(user_ids), is_staff=True).values_list("pk", flat=True))


class NotAllowed(Problem):
    """You may not do this."""

    code = "not-permitted"
    status = 403

    @classmethod
    def for_want_of(cls, wanted: str) -> "NotAllowed":
        """Return the refusal of somebody who lacks the permission ``wanted``."""
        return cls(
            f"This needs a staff account with the permission {wanted!r}. Ask an administrator to grant it."
        )


def demand(user: AbstractBaseUser | AnonymousUser, verb: str, obj: Model | type[Model]) -> None:
    """Raise NotAllowed, naming the missing permission, unless ``user`` may do ``verb``. See :func:`may`."""
    if not may(user, verb, obj):
        model = obj if isinstance(obj, type) else type(obj)
        raise NotAllowed.for_want_of(permission(verb, model))


def demand_staff(user: AbstractBaseUser | AnonymousUser) -> None:
    """Raise NotAllowed unless ``user`` is active staff, who alone may do anything at all. No query."""
    person: Any = user
    if not (person.is_active and person.is_staff):
        raise NotAllowed("This needs a staff account. Ask an administrator to make yours one.")
