"""What differs between a service as it is declared and as a file has it, and what that asks for."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring.importers.document import DEPENDS_ON
from monitoring.models import Service
from monitoring.supervisor.spec import ServiceSpec


@dataclass(frozen=True, slots=True)
class Difference:
    """Old and new value of one field."""

    old: Any
    new: Any
    restart: bool = False
    """A process that runs takes it over only with a restart; else it applies at once."""


def differences(
    known: Service | None, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Difference]:
    """Return what differs, by field. ``known`` is the declared service, None for a new one. No query.

    Whether a restart is needed is asked of the spec itself: field by field, would a process started now
    differ from one that was started before.
    """
    spec = _spec(known) if known else None
    return {
        name: Difference(before[name], after[name], _needs_restart(known, spec, name, after[name]))
        for name in before
        if _differ(name, before[name], after[name])
    }


def _spec(service: Service) -> ServiceSpec | None:
    try:
        return service.spec()
    except (TypeError, ValueError, AttributeError):
        # A value that breaks the rules; those tell it.
        return None


def _needs_restart(known: Service | None, spec: ServiceSpec | None, name: str, value: Any) -> bool:
    if known is None or name == DEPENDS_ON:
        return False
    changed = copy.copy(known)
    setattr(changed, name, value)
    new = _spec(changed)
    return spec is None or new is None or new.needs_restart(spec)


def _differ(name: str, old: Any, new: Any) -> bool:
    if name == "env" and isinstance(old, dict) and isinstance(new, dict):
        # A process gets texts: 8001 and "8001" are the same to it.
        return {n: str(v) for n, v in old.items()} != {n: str(v) for n, v in new.items()}
    return bool(old != new)
