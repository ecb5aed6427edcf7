"""The three roles, and what each may do. Apps say so here; the groups in the database follow.

A role is a group that belongs to medimgr: see :mod:`medimgr.accounts.roles`. Each role may do all that
the one before it may: viewers look, operators act, administrators declare and delete.
"""

from enum import StrEnum

from django.db.models import Model

from medimgr.lib.access import permission


class Role(StrEnum):
    """A role, by the name of its group; from the one that may do least to the one that may do most."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


_granted: dict[Role, set[str]] = {role: set() for role in Role}


def grant(role: Role, model: type[Model], *verbs: str) -> None:
    """Let ``role`` and those above it do ``verbs`` to rows of ``model``. Called in ``AppConfig.ready()``."""
    _granted[role].update(permission(verb, model) for verb in verbs)


def permissions_of(role: Role) -> frozenset[str]:
    """Return what ``role`` may do, as in ``monitoring.start_service``. No query."""
    roles = list(Role)
    return frozenset().union(*(_granted[lesser] for lesser in roles[: roles.index(role) + 1]))
