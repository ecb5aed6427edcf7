"""The options of ldconsole, and which values ``modify`` takes."""

import re

_MODIFIABLE = {
    "cpu": r"[1-4]",
    "memory": "256|512|768|1024|1536|2048|4096|8192",
    "resolution": r"[1-9]\d{1,4},[1-9]\d{1,4},[1-9]\d{1,3}",
    "imei": r"auto|\d{15}",
    "mac": "auto|[0-9a-fA-F]{12}",
    "root": "[01]",
    "autorotate": "[01]",
    "lockwindow": "[01]",
}


def options(arguments: list[str]) -> dict[str, str]:
    """Return the ``--name value`` pairs; what is neither is passed over, as ldconsole does."""
    found = {}
    position = 0
    while position < len(arguments):
        word = arguments[position]
        if word.startswith("--") and position + 1 < len(arguments):
            found[word[2:]] = arguments[position + 1]
            position += 1
        position += 1
    return found


def valid_modification(given: dict[str, str]) -> bool:
    """Return whether every known option has a value that ``modify`` takes. Unknown ones it passes over."""
    return all(re.fullmatch(_MODIFIABLE[name], value) for name, value in given.items() if name in _MODIFIABLE)
