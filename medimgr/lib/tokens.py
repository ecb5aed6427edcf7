"""The tokens of a login by API: made, signed and read. Pure: keys and clock are handed in.

JSON web tokens (RFC 7519) as RFC 8725 wants them: one algorithm, which the token does not choose; a key that
the header can only point at; every claim demanded and its type looked at. Whose token it is, and whether the
login still stands, the database knows (:mod:`medimgr.accounts.bearer`).
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt.types import Options

ALGORITHM = "HS256"
AUDIENCE = "medimgr-api"
ACCESS_SECONDS = 15 * 60
REFRESH_SECONDS = 7 * 24 * 3600
LEEWAY_SECONDS = 5
"""By so much the clocks of two web workers' machines may differ."""
LONGEST_TOKEN = 2048
"""Characters. Ours have some 400; nothing longer is taken apart."""

_SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_CLAIMS = ("exp", "iat", "nbf", "sub", "aud", "jti", "typ", "family", "bound")
_LATEST = 2**40
"""A time beyond this is no time."""


class Kind(StrEnum):
    """What a token is good for."""

    ACCESS = "access"
    REFRESH = "refresh"


class TokenFault(Exception):
    """A token is not good. Which of the faults it is goes to the log: a stranger learns nothing from it."""


class Expired(TokenFault):
    """Its time is over."""


class Malformed(TokenFault):
    """It is no token of the kind that is made here, or a claim is not what it should be."""


class WrongAlgorithm(TokenFault):
    """Its header asks for another algorithm than the one."""


class WrongKey(TokenFault):
    """It was signed with a key that is not, or no longer, believed."""


class WrongSignature(TokenFault):
    """Its signature does not fit: it was changed, or made by somebody else."""


class WrongAudience(TokenFault):
    """It is meant for somebody else."""


class WrongKind(TokenFault):
    """A refresh token came where an access token belongs, or the other way round."""


class MissingClaim(TokenFault):
    """It does not say everything that a token has to."""


class NotYetValid(TokenFault):
    """It is from the future."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are whole seconds since 1970."""

    kind: Kind
    subject: str
    """The primary key of the account."""
    family: str
    """Which login it came from."""
    bound: str = field(repr=False)
    """What :func:`bound_to` made of the account's password when it was issued."""
    identifier: str
    """``jti``: no two tokens have the same."""
    issued_at: int
    expires_at: int


def new_identifier() -> str:
    """Return an identifier for a token that nobody can guess."""
    return secrets.token_urlsafe(16)


def claims_from(kind: Kind, *, subject: str, family: str, bound: str, now: float, until: float) -> Claims:
    """Return the claims of a new token, which expires after its kind's time, at ``until`` at the latest."""
    seconds = ACCESS_SECONDS if kind is Kind.ACCESS else REFRESH_SECONDS
    issued = int(now)
    expires = int(min(issued + seconds, until))
    return Claims(kind, subject, family, bound, new_identifier(), issued, expires)


def issue(claims: Claims, keys: Sequence[str]) -> str:
    """Return the token that says ``claims``, signed with the first of ``keys``. IndexError for no key."""
    import jwt  # not before somebody logs in by API: it takes 9 MB, in a process that may never need it

    key = keys[0]
    said = {
        "typ": claims.kind.value,
        "sub": claims.subject,
        "family": claims.family,
        "bound": claims.bound,
        "jti": claims.identifier,
        "aud": AUDIENCE,
        "iat": claims.issued_at,
        "nbf": claims.issued_at,
        "exp": claims.expires_at,
    }
    return jwt.encode(said, key, algorithm=ALGORITHM, headers={"kid": key_id(key)})


def read(token: str, kind: Kind, keys: Sequence[str], *, now: float) -> Claims:
    """Return what ``token`` says, which any of ``keys`` may have signed. Raises a :class:`TokenFault`."""
    if len(token) > LONGEST_TOKEN or not _SHAPE.fullmatch(token):
        raise Malformed
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise Malformed from error
    if header.get("alg") != ALGORITHM:
        raise WrongAlgorithm
    if not header.keys() <= {"alg", "typ", "kid"} or header.get("typ") != "JWT":
        raise Malformed
    said = _believed(token, _key_called(header.get("kid"), keys))
    return _checked(said, kind, now)


def key_id(key: str) -> str:
    """Return by what name the header of a token points at ``key``; it gives nothing of the key away."""
    return hashlib.sha256(b"medimgr token key\n" + key.encode()).hexdigest()[:16]


def bound_to(auth_hash: str) -> str:
    """Return what binds a token to a password: 96 bits of an HMAC keyed with the account's session hash."""
    digest = hmac.digest(auth_hash.encode(), b"medimgr token", "sha256")
    return urlsafe_b64encode(digest[:12]).decode()


def _key_called(name: Any, keys: Sequence[str]) -> str:
    for key in keys:
        if name == key_id(key):
            return key
    raise WrongKey


def _believed(token: str, key: str) -> dict[str, Any]:
    import jwt

    # Times are looked at below, by the clock that was handed in, and more strictly than the library does.
    options: Options = {
        "require": list(_CLAIMS),
        "strict_aud": True,
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }
    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM], audience=AUDIENCE, options=options)
    except jwt.InvalidSignatureError as error:
        raise WrongSignature from error
    except jwt.MissingRequiredClaimError as error:
        raise MissingClaim(error.claim) from error
    except jwt.InvalidAudienceError as error:
        raise WrongAudience from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise Malformed from error


def _checked(said: dict[str, Any], kind: Kind, now: float) -> Claims:
    texts = [said[name] for name in ("typ", "sub", "family", "bound", "jti")]
    times = [said[name] for name in ("iat", "nbf", "exp")]
    # type(), since True is an int too, and a time may be written as 1e400.
    if any(type(text) is not str or not text for text in texts):
        raise Malformed
    if any(type(time) is not int or not 0 <= time <= _LATEST for time in times):
        raise Malformed
    typ, subject, family, bound, identifier = texts
    issued, begins, expires = times
    if typ != kind:
        raise WrongKind
    if max(issued, begins) > now + LEEWAY_SECONDS:
        raise NotYetValid
    if expires <= now - LEEWAY_SECONDS:
        raise Expired
    return Claims(kind, subject, family, bound, identifier, issued, expires)
