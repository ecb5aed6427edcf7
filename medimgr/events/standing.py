"""Whether the people behind open streams may still listen: asked for all of them at once."""

from collections import defaultdict
from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from medimgr.accounts.bearer import still_good
from medimgr.accounts.scopes import scopes_of_accounts
from medimgr.events.opening import Listener
from medimgr.events.people import scope_within
from medimgr.lib.access import permitted_users
from medimgr.lib.scope import Scope


def no_longer_entitled(listeners: Mapping[str, Listener]) -> set[str]:
    """Return the keys of those who may not listen on as they did.

    Their session or token ended, their password changed, they lost a permission, or they are limited to other
    things than they were. As many queries as there are different permissions, and three more, however many
    listeners there are; two more for those who came with tokens.
    """
    if not listeners:
        return set()
    come_by = _still_logged_in(listeners)
    ids = {who.user_id for who in listeners.values()}
    people = list(get_user_model()._default_manager.filter(pk__in=ids, is_active=True, is_staff=True))
    scopes = scopes_of_accounts(people)
    hashes = {user.pk: user.get_session_auth_hash() for user in people}
    wanting = defaultdict(set)
    for who in listeners.values():
        for right in who.rights:
            wanting[right].add(who.user_id)
    allowed = {right: permitted_users(users, *right) for right, users in wanting.items()}
    return {
        key
        for key, who in listeners.items()
        if key not in come_by
        or who.user_id not in hashes
        or (who.holder is None and hashes[who.user_id] != who.auth_hash)
        or _scope_now(who, scopes) != who.scope
        or any(who.user_id not in allowed[right] for right in who.rights)
    }


def _still_logged_in(listeners: Mapping[str, Listener]) -> set[str]:
    """Return the keys of those whose session or token, whichever they came by, has not ended."""
    now = timezone.now()
    sessions = {who.session_key for who in listeners.values() if who.holder is None}
    alive: set[str] = set()
    if sessions:
        rows = Session.objects.filter(session_key__in=sessions, expire_date__gt=now)
        alive = set(rows.values_list("session_key", flat=True))
    held = {key: who.holder for key, who in listeners.items() if who.holder is not None}
    good = still_good(held, now) if held else set()
    return good | {key for key, who in listeners.items() if who.holder is None and who.session_key in alive}


def _scope_now(who: Listener, scopes: Mapping[int, Scope]) -> Scope:
    return scope_within(scopes[who.user_id], who.holder)
