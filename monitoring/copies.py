"""Keeps the further copies of a service in step with the one that is declared.

A service with ``instances`` above 1 is itself copy 0; each further copy is a row of its own, which has its
own process, status, log and history, and whose declaration follows the original's. ``Service.save()`` calls
:func:`without_surplus` and :func:`keep_in_step` inside its transaction. Only rows that differ are written,
so those that stay keep their processes.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from monitoring import per_copy

if TYPE_CHECKING:
    from monitoring.models import Service

# These are each copy's own; all others follow the original.
_OWN = frozenset(
    {"id", "key", "name", "instance_of", "instance", "instances", "builtin", "created_at", "updated_at"}
)
_SHIFTED = ("health_port", "ready_port")
_URLS = ("health_url", "ready_url", "stop_url")
_KEY = r"[a-z0-9][a-z0-9._-]*"


def without_surplus(original: "Service") -> dict[int, "Service"]:
    """Remove the copies of ``original`` that are too many, the highest first; return the others by number.

    Before anything else in its transaction, since the supervisor may write about them at this moment
    (see ``ServiceQuerySet.hold``). One query where there are none.
    """
    if original.instance_of_id is not None or original.pk is None:
        return {}
    present = {copy.instance: copy for copy in original.copies.all()}
    if any(number >= original.instances for number in present):
        type(original).objects.filter(pk=original.pk).hold()
    for number in sorted(present, reverse=True):
        if number >= original.instances:
            present.pop(number).delete()
    return present


def keep_in_step(original: "Service", present: dict[int, "Service"]) -> None:
    """Make and correct the further copies of ``original``, of which ``present`` are there.

    No query where none are wanted. Each row that is written publishes its change. A new copy is wanted up
    or down as the original is now. Raises IntegrityError where the key of a new copy is taken;
    ``Service.clean()`` finds that out before.
    """
    if original.instance_of_id is not None:
        return
    intent = None
    for number in range(1, original.instances):
        wanted = _declaration(original, number)
        copy = present.get(number)
        if copy is None:
            intent = intent or type(original).objects.values_list("status__intent", flat=True).get(
                pk=original.pk
            )
            type(original)(instance_of=original, instance=number, **wanted).store(intent)
        elif changed := [name for name, value in wanted.items() if getattr(copy, name) != value]:
            for name in changed:
                setattr(copy, name, wanted[name])
            copy.store()
    if original.instances > 1:
        follow_dependencies(original)


def follow_dependencies(original: "Service") -> None:
    """Let the copies of ``original`` need what it needs.

    One query where it has no copies; else two, and what differs is written.
    """
    copies = list(original.copies.values_list("pk", flat=True))
    if not copies:
        return
    dependency = original.dependencies.model
    needs: dict[int, dict[int, str]] = {pk: {} for pk in (original.pk, *copies)}
    rows = dependency.objects.filter(service__in=list(needs))
    for pk, needed, condition in rows.values_list("service_id", "needs_id", "condition"):
        needs[pk][needed] = condition
    wanted = needs.pop(original.pk)
    for pk, present in needs.items():
        surplus = [needed for needed, condition in present.items() if wanted.get(needed) != condition]
        if surplus:
            dependency.objects.filter(service=pk, needs__in=surplus).delete()
        dependency.objects.bulk_create(
            dependency(service_id=pk, needs_id=needed, condition=condition)
            for needed, condition in wanted.items()
            if present.get(needed) != condition
        )


def faults(service: "Service") -> dict[str, list[str]]:
    """Return what keeps ``service`` from having its copies, by field. One query where it has any."""
    instances = service.instances
    if service.instance_of_id is not None or not isinstance(instances, int) or not 1 < instances <= 100:
        return {}
    found = _url_faults(service)
    if not re.fullmatch(_KEY, str(service.key)):
        return found  # what is wrong with the key is told already, and a database may refuse to look for it
    last = per_copy.key_of(service.key, instances - 1)
    if len(last) > per_copy.LONGEST_KEY:
        found["instances"] = [
            f"The last copy would be called {last}, which has {len(last)} characters; {per_copy.LONGEST_KEY} "
            "are the most. Have fewer copies, or choose a shorter key."
        ]
        return found
    keys = [per_copy.key_of(service.key, number) for number in range(1, instances)]
    others = type(service).objects.filter(key__in=keys)
    if service.pk is not None:
        others = others.exclude(instance_of=service.pk)
    taken = sorted(others.values_list("key", flat=True))
    if taken:
        one = len(taken) == 1
        found["instances"] = [
            f"{' and '.join(taken)}, which {'a copy' if one else 'copies'} would be called, "
            f"{'is a service of its' if one else 'are services of their'} own. Have fewer copies, or choose "
            "another key."
        ]
    return found


def _declaration(original: "Service", number: int) -> dict[str, Any]:
    """Return what the row of a copy holds, by attribute. No query."""
    wanted = {
        field.attname: getattr(original, field.attname)
        for field in original._meta.concrete_fields
        if field.name not in _OWN
    }
    step = original.port_step
    return wanted | {
        "key": per_copy.key_of(original.key, number),
        "name": per_copy.name_of(original.name, number),
        "ports": per_copy.ports_of(original.ports, number, step),
        **{name: per_copy.port_of(wanted[name], number, step) for name in _SHIFTED},
    }


def _url_faults(service: "Service") -> dict[str, list[str]]:
    """Find URLs that name a port of copy 0, so that all copies would be judged by that one."""
    ports = service.ports if isinstance(service.ports, list) else []
    found = {}
    for name in _URLS:
        try:
            port = urlsplit(getattr(service, name)).port
        except (ValueError, TypeError, AttributeError):  # {port} is no number, as wanted; or it is no text
            continue
        if port in ports:
            found[name] = [f"Each copy has ports of its own: write {{port}} instead of {port}."]
    return found


def merged(*found: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return messages by field of several findings together."""
    together: dict[str, list[str]] = {}
    for faults_by_field in found:
        for name, messages in faults_by_field.items():
            together.setdefault(name, []).extend(messages)
    return together
