"""Changes how many copies of a service there are."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from monitoring import copies, per_copy
from monitoring.exceptions import CannotScale, UnknownService
from monitoring.models import Service

_OF_SCALING = frozenset({"instances", "port_step", "ports"})


@dataclass(frozen=True, slots=True)
class Scaled:
    """What scaling came to. Keys in the order of the copies."""

    service: Service
    before: int
    keys: tuple[str, ...]
    """Of all copies that there are now, the declared service first."""
    added: tuple[str, ...]
    removed: tuple[str, ...]


def scale(key: str, instances: int) -> Scaled:
    """Let the service called ``key`` have so many copies. Those that stay keep their processes.

    Removed copies are stopped by their supervisor, new ones started where the service is wanted up. Raises
    UnknownService, and CannotScale with the fault in words. Queries and writes the database.
    """
    with transaction.atomic():
        # Locked: of two who scale at once, the second begins where the first has ended.
        service = Service.objects.select_for_update(of=("self",)).filter(key=key).first()
        if service is None:
            raise UnknownService(f"There is no service with the key {key!r}.")
        if service.instance_of_id is not None:
            first = per_copy.original_key(service.key, service.instance)
            raise CannotScale(f"{key} is copy {service.instance + 1} of {first}. Scale {first} instead.")
        if service.builtin:
            raise CannotScale(
                f"{key} is one of medimgr's own processes. Their number is given to manage.py up --workers."
            )
        before, service.instances = service.instances, instances
        _check_scaling(service)
        if before != instances:
            service.save(update_fields=["instances", "updated_at"])
    old, new = _keys(key, before), _keys(key, instances)
    return Scaled(service, before, new, new[before:], old[instances:])


def _keys(key: str, instances: int) -> tuple[str, ...]:
    return tuple(per_copy.key_of(key, number) for number in range(instances))


def _check_scaling(service: Service) -> None:
    """Raise CannotScale where so many copies cannot be; what else is wrong with it is no matter here."""
    found: dict[str, list[str]] = {}
    try:
        others = [field.name for field in service._meta.fields if field.name != "instances"]
        service.clean_fields(exclude=others)
        service.clean()
    except ValidationError as error:
        found = {name: messages for name, messages in error.message_dict.items() if name in _OF_SCALING}
    found |= copies.faults(service)
    if found:
        words = " ".join(message for messages in found.values() for message in messages)
        raise CannotScale(f"{service.key} cannot have {service.instances} copies. {words}", errors=found)
