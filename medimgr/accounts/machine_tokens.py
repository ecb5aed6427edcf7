"""Long-lived tokens for programs: made, stored as a digest, known again, revoked.

``mm_`` and eight characters by which it is known, and 43 that nobody can guess: 256 random bits, so that a
plain SHA-256 protects them as well as any slow hash.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from medimgr.accounts.exceptions import BadToken, TokenNameTaken, UnknownToken
from medimgr.accounts.models import MachineToken
from medimgr.audit.recording import record
from medimgr.lib.access import Limits
from medimgr.lib.scope import EVERYTHING, Scope, group_label, tag_labels

SHAPE = re.compile(r"(mm_[a-z0-9]{8})_[\w-]{43}", re.ASCII)
USE_NOTED_SECONDS = 60
"""When a token was last used is written at most so often."""
LONGEST_DAYS = 36500
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
_LONGEST_WORD = 100


@dataclass(frozen=True)
class Issued:
    """A new token. This object is the only place where it stands."""

    row: MachineToken
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues or revokes a token, for its row and the audit."""

    name: str
    source: str
    """``command`` or ``admin``."""
    user: User | None = None
    address: str = ""


def digest(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def prefix_of(token: str) -> str:
    """Return the beginning by which a token is known; empty where it is no machine's token."""
    found = SHAPE.fullmatch(token)
    return found[1] if found else ""


def limits_of(row: MachineToken) -> Limits:
    """Return what a token allows of what its account may do. No query."""
    labels = tag_labels(row.workstation_tags).union(*map(group_label, row.service_groups))
    scope = Scope(labels) if labels else EVERYTHING
    return Limits(permissions=frozenset(row.permissions), scope=scope, token=row.name)


def issue(
    name: str,
    user: User,
    issuer: Issuer,
    *,
    permissions: Iterable[str],
    groups: Iterable[str] = (),
    tags: Iterable[str] = (),
    days: float | None,
) -> Issued:
    """Issue a token that acts as ``user``, limited to ``permissions``, and to groups and tags where named.

    It expires after ``days``; None for never. What the account itself may not do, the token does not give.
    A handful of queries. Raises BadToken, which names each field that does not fit, and TokenNameTaken.
    """
    now = timezone.now()
    wanted = sorted(set(permissions))
    row = MachineToken(
        name=name.strip(),
        user=user,
        permissions=wanted,
        service_groups=_words(groups),
        workstation_tags=_words(tags),
        created_at=now,
        created_by=issuer.name[:150],
    )
    _check(row, days)
    row.expires_at = None if days is None else now + timedelta(days=days)
    token = _new(row)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _record("token.issue", row, issuer, f"for {user}, {len(wanted)} permission(s)")
    except IntegrityError:
        raise TokenNameTaken(f"There is a token called {row.name!r} already. Take another name.") from None
    return Issued(row, token)


def revoke(row: MachineToken, issuer: Issuer) -> bool:
    """Revoke a token for good, and return whether it had not been yet. A conditional UPDATE and the audit."""
    with transaction.atomic():
        alive = MachineToken.objects.filter(pk=row.pk, revoked_at__isnull=True)
        if not alive.update(revoked_at=timezone.now(), revoked_by=issuer.name[:150]):
            return False
        _record("token.revoke", row, issuer, "")
    return True


def named(name: str) -> MachineToken:
    """Return the token called ``name``, revoked or not. One query. Raises UnknownToken."""
    row = MachineToken.objects.select_related("user").filter(name=name).first()
    if row is None:
        raise UnknownToken(f"There is no token called {name!r}. See: manage.py tokens list")
    return row


def note_use(used: Mapping[int, str], now: datetime) -> None:
    """Store that tokens, by primary key, were used, and from which addresses. At most once a minute for each.

    One conditional UPDATE for each address. Takes SQLite's lock even where it changes nothing.
    """
    before = now - timedelta(seconds=USE_NOTED_SECONDS)
    for address in set(used.values()):
        tokens = MachineToken.objects.filter(pk__in=[pk for pk, own in used.items() if own == address])
        stale = tokens.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lt=before))
        stale.update(last_used_at=now, last_used_address=address[:64])


def _new(row: MachineToken) -> str:
    """Give ``row`` a prefix and a digest, and return the token."""
    row.prefix = "mm_" + "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(8))
    token = f"{row.prefix}_{secrets.token_urlsafe(32)}"
    row.digest = digest(token)
    return token


def _words(words: Iterable[str]) -> list[str]:
    return sorted({word.strip() for word in words})


def _check(row: MachineToken, days: float | None) -> None:
    faults: dict[str, list[str]] = {}
    if not row.name or len(row.name) > _LONGEST_WORD or not row.name.isprintable():
        faults["name"] = [f"Write a name of 1 to {_LONGEST_WORD} printable characters."]
    if not (row.user.is_active and row.user.is_staff):
        faults["user"] = [f"{row.user} is no active staff account, so a token of its would open nothing."]
    unknown = set(row.permissions) - known_permissions(row.permissions)
    if not row.permissions:
        faults["permissions"] = ["Name a role or at least one permission: a token without any opens nothing."]
    elif unknown:
        faults["permissions"] = [f"There is no permission {', '.join(sorted(unknown))}."]
    for words, where in ((row.service_groups, "groups"), (row.workstation_tags, "tags")):
        # An empty one must not pass for none at all, which limits nothing.
        if any(not word or len(word) > _LONGEST_WORD or not word.isprintable() for word in words):
            faults[where] = [f"Each of the {where} has 1 to {_LONGEST_WORD} printable characters."]
    if days is not None and not 0 < days <= LONGEST_DAYS:
        faults["expires_days"] = [
            f"Write a number of days from 1 to {LONGEST_DAYS}, or have it never expire."
        ]
    if faults:
        raise BadToken(
            "The token can't be issued. " + " ".join(text for texts in faults.values() for text in texts),
            errors=faults,
        )


def known_permissions(names: Iterable[str]) -> set[str]:
    """Return those of the names, such as ``monitoring.start_service``, that are permissions. One query."""
    pairs = [name.split(".", 1) for name in names if name.count(".") == 1]
    found = Permission.objects.filter(codename__in=[codename for _, codename in pairs])
    return {f"{app}.{codename}" for app, codename in found.values_list("content_type__app_label", "codename")}


def _record(action: str, row: MachineToken, issuer: Issuer, detail: str) -> None:
    record(
        action,
        who=issuer.name,
        source=issuer.source,
        user=issuer.user,
        address=issuer.address,
        target=f"token:{row.prefix}",
        target_name=row.name,
        detail=detail,
    )
