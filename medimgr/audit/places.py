"""Where the things that the audit names can be looked at: each app says so of its own, while they exist."""

from collections.abc import Callable, Collection, Iterable, Mapping

Places = Callable[[Collection[str]], Mapping[str, str]]
"""Returns the addresses of those of some keys that exist."""

_places: dict[str, Places] = {}


def lead_to(target_type: str, places: Places) -> None:
    """Have ``places`` tell where rows of ``target_type`` are. Called in ``AppConfig.ready()``."""
    _places[target_type] = places


def places_of(targets: Iterable[str]) -> dict[str, str]:
    """Return the addresses of ``targets`` (``service:backend``) that exist. One query for each type."""
    keys: dict[str, set[str]] = {}
    for target in targets:
        kind, separator, key = target.partition(":")
        if separator and key and kind in _places:
            keys.setdefault(kind, set()).add(key)
    return {f"{kind}:{key}": url for kind, some in keys.items() for key, url in _places[kind](some).items()}


def numbers(keys: Collection[str]) -> list[int]:
    """Return those of ``keys`` that can be primary keys. For :func:`lead_to`. Pure."""
    return [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 19]
