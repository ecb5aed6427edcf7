"""Which settings look like secrets: what may be shown to people and what may not."""

import re

MASK = "••••••"

_SECRET_NAME = re.compile(
    r"secret|token|passw|pwd|api_?key|private|credential|(^|_)(key|auth|dsn)$", re.IGNORECASE
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def looks_secret(name: str, value: object = "") -> bool:
    """Return whether a variable holds a secret, going by its name or a password inside a URL. Pure.

    A guess that errs on the side of caution; a secret under an innocent name is not recognised.
    """
    return bool(_SECRET_NAME.search(name) or _PASSWORD_IN_URL.search(str(value)))
