"""What tells the copies of a service apart: key, name, ports, and the words in their declaration. Pure.

A service with ``instances`` above 1 is itself copy 0. Copy ``n`` has the key ``web-<n + 1>``, its ports are
``n`` steps higher, and ``{instance}`` and ``{port}`` (its first port) in commands, values of the environment
and URLs stand for its own.
"""

from collections.abc import Sequence
from typing import Any

LONGEST_KEY = 63
LONGEST_NAME = 100


def key_of(key: str, instance: int) -> str:
    """Return the key of a copy of the service called ``key``."""
    return f"{key}-{instance + 1}" if instance else key


def original_key(key: str, instance: int) -> str:
    """Return the key of the service that the one called ``key`` is a copy of; its own for copy 0."""
    return key.removesuffix(f"-{instance + 1}") if instance else key


def name_of(name: str, instance: int) -> str:
    """Return the name of a copy, as long as a name may be."""
    if not instance:
        return name
    number = f" {instance + 1}"
    return name[: LONGEST_NAME - len(number)] + number


def ports_of(ports: Any, instance: int, step: int) -> Any:
    """Return the ports of a copy. What is no list of numbers is returned as it is."""
    if not isinstance(ports, list) or not all(isinstance(port, int) for port in ports):
        return ports
    return [port + instance * step for port in ports]


def port_of(port: int | None, instance: int, step: int) -> int | None:
    """Return one port of a copy; none where there is none."""
    return port + instance * step if port else port


def filled(value: Any, instance: int, ports: Sequence[Any]) -> Any:
    """Return ``value`` with ``{instance}`` and ``{port}`` replaced in every text in it.

    Lists and the values of mappings are gone through; ``{port}`` stays where there is no port.
    """
    if isinstance(value, str):
        text = value.replace("{instance}", str(instance))
        return text.replace("{port}", str(ports[0])) if ports else text
    if isinstance(value, list | tuple):
        return type(value)(filled(part, instance, ports) for part in value)
    if isinstance(value, dict):
        return {name: filled(part, instance, ports) for name, part in value.items()}
    return value
