"""The words of ``monitoring.states`` as Django wants choices of a field."""

from enum import StrEnum


def choices(words: type[StrEnum]) -> list[tuple[str, str]]:
    """Return ``(value, value)`` for every word, in the order of their definition."""
    return [(word.value, word.value) for word in words]
