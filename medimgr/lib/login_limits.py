"""How many wrong logins are taken before the door is shut, and for how long. Pure.

Wrong logins are counted for each name at each address: whoever guesses at a name from elsewhere shuts out
himself, and nobody at another desk. All names together are counted for each address, with a higher limit, so
that one machine cannot go through a list of names.
"""

import ipaddress
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from medimgr.lib.client_address import as_address

LONGEST_NAME = 150
_IPV6_PREFIX = 64
"""What one customer of a provider has at the least; he may send from any address in it (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """The settings of this installation."""

    per_name: int
    """Wrong logins with one name from one address."""
    per_address: int
    """Wrong logins from one address with any names."""
    window: timedelta
    """How long a wrong login counts after the last one with the same name."""


@dataclass(frozen=True, slots=True)
class Tries:
    """The wrong logins with one name from one address."""

    name: str
    count: int
    last_at: datetime


def shut_for(tries: Iterable[Tries], name: str, limits: LoginLimits, now: datetime) -> timedelta:
    """Return how long the door stays shut for ``name`` at the address that ``tries`` come from; zero: open.

    An account that does not exist is treated as one that does.
    """
    recent = [one for one in tries if one.last_at + limits.window > now]
    longest = max(
        _over(recent, limits.per_address, limits.window, now),
        _over((one for one in recent if one.name == name), limits.per_name, limits.window, now),
    )
    return max(longest, timedelta())


def _over(tries: Iterable[Tries], limit: int, window: timedelta, now: datetime) -> timedelta:
    """Return after how long fewer than ``limit`` of the tries will count."""
    counted = 0
    for one in sorted(tries, key=lambda one: one.last_at, reverse=True):
        counted += one.count
        if counted >= limit:
            return one.last_at + window - now
    return timedelta()


def source_of(address: str) -> str | None:
    """Return the address under which the wrong logins of a client are counted; None where it has none.

    Of an IPv6 address that is its network: the rest is for the client to choose.
    """
    known = as_address(address)
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, _IPV6_PREFIX), strict=False).network_address)
    return None if known is None else str(known)


def kept_name(name: object) -> str:
    """Return a name that somebody typed as it is counted and stored: cut, and without what no table takes."""
    # As Django's own form has it: two spellings of one name are one name.
    text = unicodedata.normalize("NFKC", str(name)[: 2 * LONGEST_NAME])
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:LONGEST_NAME]


def wait_in_words(seconds: float) -> str:
    """Return a time to wait, rounded up: ``1 minute``, ``15 minutes``."""
    minutes = max(1, math.ceil(seconds / 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
