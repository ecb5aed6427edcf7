"""Who it is that comes with a bearer token: asked by the API, the event stream and /metrics.

All who ask at once are found with as many queries as one. What exactly is wrong with a token only the log
says.
"""

import logging
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.crypto import constant_time_compare

from medimgr.accounts import machine_tokens
from medimgr.accounts.exceptions import BearerRefused, TokenExpired, TokenInvalid
from medimgr.accounts.models import MachineToken, TokenFamily
from medimgr.lib import tokens as signed
from medimgr.lib.access import LIMITS, Limits

logger = logging.getLogger(__name__)

_SCHEME = "bearer"
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who came with a good token. ``user`` carries the limits of the token, which ``may()`` asks."""

    user: User
    limits: Limits
    auth_hash: str = field(repr=False)
    """The account's session hash, which changes with its password."""
    expires_at: datetime | None
    """None for a machine's token that never expires."""
    family: UUID | None = None
    """The login by API that it belongs to, or else"""
    machine_token: int | None = None
    """the primary key of the machine's token,"""
    used_at: datetime | None = None
    """and when its use was noted last."""


def bearer_token(authorization: str) -> str | None:
    """Return the token in an ``Authorization`` header; None where it has none. Pure."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else None


def holders(tokens: Collection[str], now: datetime) -> dict[str, Holder | BearerRefused]:
    """Return for each of the tokens who holds it, or why it is refused. Two queries at most, for all of them.

    An access token is refused once its login ended or the account's password changed; each once the account
    is no active staff any more.
    """
    found: dict[str, Holder | BearerRefused] = {}
    prefixes = {token: machine_tokens.prefix_of(token) for token in tokens}
    machines = {token: prefix for token, prefix in prefixes.items() if prefix}
    if machines:
        rows = MachineToken.objects.select_related("user").filter(prefix__in=set(machines.values()))
        known = {row.prefix: row for row in rows}
        found |= {token: _machine(token, known.get(prefix), now) for token, prefix in machines.items()}
    claims: dict[str, signed.Claims] = {}
    for token in tokens:
        if token not in machines:
            try:
                claims[token] = signed.read(
                    token, signed.Kind.ACCESS, settings.MEDIMGR_TOKEN_KEYS, now=now.timestamp()
                )
            except signed.TokenFault as fault:
                found[token] = refusal(fault)
    families = _families({claim.family for claim in claims.values()})
    return found | {token: _login(claim, families.get(claim.family)) for token, claim in claims.items()}


def holder_of(token: str, now: datetime, address: str) -> Holder:
    """Return who holds one token, and note the use of a machine's. Raises BearerRefused.

    One query; for a machine's token a second, once a minute.
    """
    holder = holders([token], now)[token]
    if isinstance(holder, BearerRefused):
        raise holder
    note_use([(holder, address)], now)
    return holder


def note_use(used: Iterable[tuple[Holder, str]], now: datetime) -> None:
    """Store when and from where machines' tokens were used: one UPDATE, once a minute, for each address."""
    due = now - timedelta(seconds=machine_tokens.USE_NOTED_SECONDS)
    stale = {
        holder.machine_token: address
        for holder, address in used
        if holder.machine_token is not None and (holder.used_at is None or holder.used_at < due)
    }
    if stale:
        machine_tokens.note_use(stale, now)


def still_good(listening: Mapping[K, Holder], now: datetime) -> set[K]:
    """Return the keys of those whose tokens would still be accepted. Two queries at most, for all of them."""
    families = _families({str(holder.family) for holder in listening.values() if holder.family})
    machines = {holder.machine_token for holder in listening.values() if holder.machine_token is not None}
    rows = MachineToken.objects.select_related("user").filter(pk__in=machines) if machines else ()
    tokens = {row.pk: row for row in rows}
    good = set()
    for key, holder in listening.items():
        if holder.family is not None:
            why = _login_fault(families.get(str(holder.family)), holder.auth_hash)
        else:
            why = _machine_fault(tokens.get(holder.machine_token or 0), now)
        if not why and (holder.expires_at is None or now < holder.expires_at):
            good.add(key)
    return good


def refusal(fault: signed.TokenFault) -> BearerRefused:
    """Return what a stranger is told of a fault, and log which it is."""
    logger.info("A bearer token was refused: %s", type(fault).__name__)
    return TokenExpired() if isinstance(fault, signed.Expired) else TokenInvalid()


def _refused(why: str) -> BearerRefused:
    logger.info("A bearer token was refused: %s", why)
    return TokenInvalid()


def _machine(token: str, row: MachineToken | None, now: datetime) -> Holder | BearerRefused:
    # Compared in any case, so that an unknown beginning takes as long as a known one.
    same = constant_time_compare(machine_tokens.digest(token), row.digest if row else "")
    if row is None or not same:
        return _refused("no such machine token")
    why = _machine_fault(row, now)
    if why:
        return _refused(why)
    return _held(
        row.user,
        machine_tokens.limits_of(row),
        row.expires_at,
        machine_token=row.pk,
        used_at=row.last_used_at,
    )


def _machine_fault(row: MachineToken | None, now: datetime) -> str:
    """Return why a machine's token is not good; empty where it is."""
    if row is None:
        return "the machine token is gone"
    if row.revoked_at is not None:
        return f"the machine token {row.name!r} was revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return f"the machine token {row.name!r} has expired"
    return _account_fault(row.user)


def _login(claims: signed.Claims, family: TokenFamily | None) -> Holder | BearerRefused:
    why = "" if family is None or str(family.user_id) == claims.subject else "of another account"
    why = why or _login_fault(family)
    if family is None or why:
        return _refused(why)
    if not is_bound(claims, family.user):
        return _refused("the password was changed since")
    until = datetime.fromtimestamp(claims.expires_at, UTC)
    return _held(family.user, Limits(), until, family=family.pk)


def _login_fault(family: TokenFamily | None, auth_hash: str | None = None) -> str:
    """Return why a login is not good; empty where it is. ``auth_hash``: what it was, where it is known."""
    if family is None:
        return "the login is gone"
    if family.revoked_at is not None:
        return f"the login was ended ({family.revoked_why})"
    if auth_hash is not None and not constant_time_compare(auth_hash, family.user.get_session_auth_hash()):
        return "the password was changed since"
    return _account_fault(family.user)


def _account_fault(user: User) -> str:
    return "" if user.is_active and user.is_staff else f"the account {user} is no active staff"


def is_bound(claims: signed.Claims, user: User) -> bool:
    """Return whether a token was issued under the account's password of today. No query."""
    # The older ones are of keys in SECRET_KEY_FALLBACKS.
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(claims.bound, signed.bound_to(one)) for one in hashes)


def _families(ids: "set[str]") -> dict[str, TokenFamily]:
    good = {one for one in map(_uuid, ids) if one is not None}
    if not good:
        return {}
    rows = TokenFamily.objects.select_related("user").filter(pk__in=good)
    return {str(row.pk): row for row in rows}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _held(user: User, limits: Limits, until: datetime | None, **whose: Any) -> Holder:
    setattr(user, LIMITS, limits)
    return Holder(user, limits, user.get_session_auth_hash(), until, **whose)
