"""The parameters of an operation in words, for its page. Pure."""

from collections.abc import Mapping
from typing import Any

from medimgr.lib.redact import MASK, looks_secret


def parameter_words(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each parameter's name and value in words, by name; a secret is masked. No query."""
    return [
        (name.replace("_", " ").capitalize(), MASK if looks_secret(name, value) else _words(value))
        for name, value in sorted(parameters.items())
    ]


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value) or "none"
    return str(value)
