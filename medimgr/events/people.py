"""Whose the streams are: the people behind sessions and tokens, all of them at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from medimgr.accounts.bearer import Holder, holders, note_use
from medimgr.accounts.scopes import scopes_of_accounts
from medimgr.lib.access import permission
from medimgr.lib.problems import Problem
from medimgr.lib.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class Credentials:
    """By what somebody wants to be known: a token, or else the key of a session. Never shown."""

    token: str | None = field(repr=False)
    session_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is that asks."""

    user: Any
    auth_hash: str
    holder: Holder | None = None
    """By a token."""
    scope: Scope = EVERYTHING
    """What he is limited to, by his account and his token."""

    def is_let(self, verb: str, model: type[Model]) -> bool:
        """Return whether his token, where he came with one, allows it."""
        allowed = None if self.holder is None else self.holder.limits.permissions
        return allowed is None or permission(verb, model) in allowed


People = Mapping[Credentials, Person | Problem]
"""Who comes with which credentials, or why a token is refused. Of a bad session there is nothing."""


def people_behind(asked: Iterable[tuple[Credentials, str]]) -> People:
    """Return whose the credentials are, each of which comes from an address.

    Two queries where somebody came with a session, two at most where somebody came with a token, and one for
    the scopes of all; an update where a machine's token has not been used for a minute.
    """
    asked = list(asked)
    found: dict[Credentials, Person | Problem] = {}
    if keys := {which.session_key for which, _ in asked if which.token is None}:
        found |= {Credentials(None, key): person for key, person in _signed_in(keys).items()}
    if tokens := {which.token for which, _ in asked if which.token is not None}:
        now = timezone.now()
        for token, held in holders(tokens, now).items():
            if isinstance(held, Holder):
                found[Credentials(token)] = Person(held.user, held.auth_hash, held)
            else:
                found[Credentials(token)] = held
        _note_use(asked, found, now)
    scopes = scopes_of_accounts(person.user for person in found.values() if isinstance(person, Person))
    return {
        which: replace(person, scope=_scope(person, scopes)) if isinstance(person, Person) else person
        for which, person in found.items()
    }


def scope_within(account: Scope, holder: Holder | None) -> Scope:
    """Return what is left of an account's scope for whoever came with the token, if any. Pure."""
    return account if holder is None else holder.limits.scope.within(account)


def _scope(person: Person, scopes: Mapping[int, Scope]) -> Scope:
    return scope_within(scopes[person.user.pk], person.holder)


def _note_use(asked: Iterable[tuple[Credentials, str]], people: People, now: datetime) -> None:
    came = ((people.get(which), address) for which, address in asked)
    used = [(person.holder, address) for person, address in came if isinstance(person, Person)]
    note_use([(holder, address) for holder, address in used if holder is not None], now)


def _signed_in(session_keys: "set[str]") -> dict[str, Person]:
    """Return the people behind those of the sessions that are good, as Django's own login looks at them."""
    alive = Session.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
    contents = {session.session_key: session.get_decoded() for session in alive}
    ids = {key: _user_id(content) for key, content in contents.items()}
    users = get_user_model()._default_manager.in_bulk({pk for pk in ids.values() if pk is not None})
    hashes = {pk: user.get_session_auth_hash() for pk, user in users.items()}
    found = {}
    for key, content in contents.items():
        user = users.get(ids[key])
        if user is None or not user.is_active:
            continue
        hashed = content.get(HASH_SESSION_KEY, "")
        # The older ones are of keys in SECRET_KEY_FALLBACKS.
        valid = (hashes[user.pk], *user.get_session_auth_fallback_hash())
        if any(constant_time_compare(hashed, one) for one in valid):
            found[key] = Person(user, hashes[user.pk])
    return found


def _user_id(content: Mapping[str, Any]) -> Any:
    if content.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        return get_user_model()._meta.pk.to_python(content.get(SESSION_KEY))
    except ValidationError:
        return None
