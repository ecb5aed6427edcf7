"""Who may do what: the one question that page, admin, API and stream ask.

Three things have to allow it: the account's permissions, its scope (which services and workstations), and,
where somebody comes with a token, what the token is limited to.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model

from medimgr.lib.refusals import NotAllowed as NotAllowed
from medimgr.lib.refusals import OutOfReach as OutOfReach
from medimgr.lib.scope import EVERYTHING, Labels, Scope

Person = AbstractBaseUser | AnonymousUser
LIMITS = "medimgr_limits"
"""The attribute of a user who came with a token: its :class:`Limits`."""
_SCOPE = "_medimgr_scope"

_read_scope: Callable[[Any], Scope] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token allows of what its account may do."""

    permissions: frozenset[str] | None = None
    """Names as in ``monitoring.start_service``; None for all that the account has."""
    scope: Scope = EVERYTHING
    token: str = ""
    """What the token is called; empty for a person's own."""


def scopes_are_read_by(reader: Callable[[Any], Scope]) -> None:
    """Have ``reader`` return the scope of a user's account. Called in ``AppConfig.ready()``."""
    global _read_scope
    _read_scope = reader


def scope_of(user: Person) -> Scope:
    """Return what ``user`` may reach. One query, the first time for a user object."""
    person: Any = user
    known: Scope | None = getattr(person, _SCOPE, None)
    if known is None:
        everything = _read_scope is None or person.is_superuser
        known = EVERYTHING if everything or _read_scope is None else _read_scope(person)
        limits: Limits | None = getattr(person, LIMITS, None)
        if limits is not None:
            known = limits.scope.within(known)
        setattr(person, _SCOPE, known)
    return known


def reach_of(user: Person) -> list[str] | None:
    """Return the labels that ``user`` is limited to, for the scripts of pages; None where to none.

    Queries the scope, once per user object.
    """
    labels = scope_of(user).labels
    return None if labels is None else sorted(labels)


def labels_of(obj: Model) -> Labels | None:
    """Return the labels of a row; None for what has none by its nature, such as a node.

    A model whose rows belong to scopes has ``scope_labels() -> Labels``, which may query what it points at.
    """
    labels: Callable[[], Labels] | None = getattr(obj, "scope_labels", None)
    return None if labels is None else labels()


def permission(verb: str, model: type[Model]) -> str:
    """Return the name of the Django permission that allows ``verb`` on ``model``."""
    return f"{model._meta.app_label}.{verb}_{model._meta.model_name}"


def may(user: Person, verb: str, obj: Model | type[Model]) -> bool:
    """Return whether ``user`` may do ``verb`` (``view``, ``start``, ``stop`` ...) to ``obj``.

    ``obj`` is a row or a model class; of a class it is the question whether there could be a row of which it
    is true. Only active staff may do anything at all. The first call for a user queries the database; Django
    caches the user's permissions on the user object after that, and this module the scope.
    """
    return _holds(user, verb, obj) and _is_in_reach(user, verb, obj)


def may_everywhere(user: Person, verb: str, model: type[Model]) -> bool:
    """Return whether ``user`` may do ``verb`` to every row there is: what acts on all at once asks this."""
    return _holds(user, verb, model) and scope_of(user).is_everything


def in_sight(user: Person | None, obj: Model) -> bool:
    """Return whether ``user`` may know of a row, permissions aside; None, for commands, of every one.

    Of what is not, everybody is told what he would be told if it did not exist. Queries the scope, once per
    user object.
    """
    return user is None or _is_in_reach(user, "view", obj)


def _holds(user: Person, verb: str, obj: Model | type[Model]) -> bool:
    person: Any = user
    if not (person.is_active and person.is_staff):
        return False
    wanted = permission(verb, obj if isinstance(obj, type) else type(obj))
    limits: Limits | None = getattr(person, LIMITS, None)
    if limits is not None and limits.permissions is not None and wanted not in limits.permissions:
        return False
    return bool(person.has_perm(wanted))


def _is_in_reach(user: Person, verb: str, obj: Model | type[Model]) -> bool:
    if isinstance(obj, type):
        return True
    scope = scope_of(user)
    if scope.is_everything:
        return True
    labels = labels_of(obj)
    if labels is None:
        return True
    return scope.shows(labels) if verb == "view" else scope.reaches(labels)


def permitted_users(user_ids: Iterable[int], verb: str, model: type[Model]) -> frozenset[int]:
    """Return those of the users who :func:`may` do ``verb`` to ``model``, in one query for all of them.

    What a token is limited to is not asked: who knows of a token asks for that beside this.
    """
    people = get_user_model()._default_manager.with_perm(
        permission(verb, model), backend="django.contrib.auth.backends.ModelBackend"
    )
    return frozenset(people.filter(pk__in=list(user_ids), is_staff=True).values_list("pk", flat=True))


def demand(user: Person, verb: str, obj: Model | type[Model]) -> None:
    """Raise NotAllowed, naming the missing permission, or OutOfReach, unless :func:`may`."""
    if not _holds(user, verb, obj):
        model = obj if isinstance(obj, type) else type(obj)
        raise NotAllowed.for_want_of(permission(verb, model))
    if not _is_in_reach(user, verb, obj):
        raise _out_of_reach()


def demand_reach(user: Person | None, obj: Model) -> None:
    """Raise OutOfReach unless ``user`` may act on a row, permissions aside; None, for commands, may.

    Queries the scope, once per user object.
    """
    if user is not None and not _is_in_reach(user, "", obj):
        raise _out_of_reach()


def _out_of_reach() -> OutOfReach:
    return OutOfReach(
        "Your account is limited to certain groups and tags, and this is in none of them. "
        "Ask an administrator to widen its scope."
    )


def demand_labels(user: Person | None, labels: Labels, field: str) -> None:
    """Raise OutOfReach where something that is declared with ``labels`` would be out of ``user``'s reach.

    ``field`` is where the labels come from. None, for commands, reaches everything. Queries the scope, once
    per user object.
    """
    if user is not None and not scope_of(user).reaches(labels):
        fault = f"With this {field} it would be out of the reach of your account."
        raise OutOfReach(
            f"{fault} Give it one that your account is limited to, or ask an administrator.",
            errors={field: [fault]},
        )


def demand_everywhere(user: Person, verb: str, model: type[Model]) -> None:
    """Raise NotAllowed or OutOfReach unless :func:`may_everywhere`."""
    demand(user, verb, model)
    if not may_everywhere(user, verb, model):
        raise OutOfReach(
            "This acts on everything there is, and your account is limited to certain groups and tags. "
            "Ask an administrator to do it."
        )


def demand_staff(user: Person) -> None:
    """Raise NotAllowed unless ``user`` is active staff, who alone may do anything at all. No query."""
    person: Any = user
    if not (person.is_active and person.is_staff):
        raise NotAllowed("This needs a staff account. Ask an administrator to make yours one.")
