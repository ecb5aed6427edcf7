"""``{python}`` and ``{project}`` in a file of declarations, so that it fits every machine.

Doubled braces stand for the letters themselves: ``{{python}}`` is the text ``{python}``.
"""

import re
import sys
from pathlib import Path

from django.conf import settings

_PLACEHOLDER = re.compile(r"(\{+)(python|project)(\}+)")


def values() -> dict[str, str]:
    """Return what the placeholders stand for here: the running Python, the directory of manage.py."""
    return {"python": sys.executable, "project": str(settings.BASE_DIR)}


def resolve(text: str) -> str:
    """Return ``text`` with the placeholders replaced and doubled braces made single."""
    known = values()

    def replaced(found: re.Match[str]) -> str:
        opening, name, closing = found.groups()
        single = min(len(opening), len(closing)) == 1
        return f"{opening[1:]}{known[name] if single else name}{closing[1:]}"

    return _PLACEHOLDER.sub(replaced, text)


def escape(text: str) -> str:
    """Return the text that :func:`resolve` turns into ``text``, letter by letter."""
    return _PLACEHOLDER.sub(r"{\1\2\3}", text)


def generalise(text: str) -> str:
    """Return ``text`` with this machine's Python and project directory as placeholders again.

    Only where they are the whole text, or a path below the project begins it. The inverse of resolve.
    """
    known = values()
    if text == known["python"]:
        return "{python}"
    if text == known["project"]:
        return "{project}"
    below = str(Path(known["project"])) + "/"
    if text.startswith(below):
        return "{project}/" + escape(text[len(below) :])
    return escape(text)
