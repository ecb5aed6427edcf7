"""What a client would rather have (RFC 7240, ``Prefer``): here, that an answer waits for the end. Pure."""

import re

LONGEST_WAIT_SECONDS = 30
"""Longer than that nobody is kept waiting; the answer says how long it was."""
_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE | re.ASCII)


def wait_seconds(header: str) -> int | None:
    """Return for how many seconds a ``Prefer`` header asks to wait, LONGEST_WAIT_SECONDS at most.

    None where it does not ask, or not in a way that means something: a preference is never an error. The
    first of several counts.
    """
    for preference in header[:1000].split(","):
        if found := _WAIT.fullmatch(preference):
            return min(int(found[1]), LONGEST_WAIT_SECONDS) or None
    return None
