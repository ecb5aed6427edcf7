"""What a scope can be chosen from: the groups and tags that there are. The apps that have them say so."""

from collections.abc import Callable, Iterable
from typing import Literal

Kind = Literal["service_groups", "workstation_tags"]
"""The fields of a scope."""

_readers: dict[Kind, Callable[[], Iterable[str]]] = {}


def offer(kind: Kind, reader: Callable[[], Iterable[str]]) -> None:
    """Have ``reader`` return the words that are in use. Called in ``AppConfig.ready()``."""
    _readers[kind] = reader


def offered(kind: Kind) -> list[str]:
    """Return the words that are in use, each once, by the alphabet. One query."""
    words = _readers[kind]() if kind in _readers else ()
    return sorted({word for word in words if word}, key=lambda word: (word.casefold(), word))
