"""From the words on the command line to services."""

import difflib
from collections.abc import Sequence

from monitoring.exceptions import UnknownNode, UnknownService
from monitoring.models import Node, Service

_SHOWN = 12


def services_of(node: str) -> list[Service]:
    """Return the declared services of a node, medimgr's own left out, in the order of a list. One query."""
    return list(Service.objects.on(node).filter(builtin=False).for_display())


def named(keys: Sequence[str]) -> list[Service]:
    """Return the services with these keys, each once, in the order given. One query, two for unknown keys.

    Raises UnknownService naming every key that does not exist and what is like it.
    """
    wanted = list(dict.fromkeys(keys))
    found = {service.key: service for service in Service.objects.filter(key__in=wanted).for_display()}
    unknown = [key for key in wanted if key not in found]
    if unknown:
        known = list(Service.objects.order_by("key").values_list("key", flat=True))
        raise UnknownService(" ".join(_not_found(key, known) for key in unknown))
    return [found[key] for key in wanted]


def with_copies(services: Sequence[Service]) -> list[Service]:
    """Return these services, each followed by its further copies, each once. One query."""
    copies: dict[int | None, list[Service]] = {}
    for copy in Service.objects.filter(instance_of__in=services).for_display().order_by("instance"):
        copies.setdefault(copy.instance_of_id, []).append(copy)
    found = {one.pk: one for service in services for one in (service, *copies.get(service.pk, ()))}
    return list(found.values())


def check_node(name: str) -> None:
    """Raise UnknownNode where no such node is in the database. One query, two where it is not."""
    if not Node.objects.filter(name=name).exists():
        known = ", ".join(Node.objects.order_by("name").values_list("name", flat=True))
        raise UnknownNode(f"There is no node {name!r}. Known: {known or 'none yet'}.")


def _not_found(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key.lower(), known, n=3, cutoff=0.5)
    near = near or [name for name in known if key.lower() in name][:3]
    if near:
        return f"There is no service {key!r}. Did you mean {' or '.join(near)}?"
    if not known:
        return f"There is no service {key!r}: none are declared yet. See manage.py services import."
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"There is no service {key!r}. Known: {', '.join(known[:_SHOWN])}{more}."
