"""Whether the people behind open streams may still listen: asked for all of them at once."""

from collections import defaultdict
from collections.abc import Mapping

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone

from medimgr.events.opening import Listener
from medimgr.lib.access import permitted_users


def no_longer_entitled(listeners: Mapping[str, Listener]) -> set[str]:
    """Return the keys of those whose session ended, whose password changed, or who lost a permission.

    As many queries as there are different permissions, and two more, however many listeners there are.
    """
    if not listeners:
        return set()
    alive = set(
        Session.objects.filter(
            session_key__in={who.session_key for who in listeners.values()}, expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    ids = {who.user_id for who in listeners.values()}
    people = get_user_model()._default_manager.filter(pk__in=ids, is_active=True, is_staff=True)
    hashes = {user.pk: user.get_session_auth_hash() for user in people}
    wanting = defaultdict(set)
    for who in listeners.values():
        for right in who.rights:
            wanting[right].add(who.user_id)
    allowed = {right: permitted_users(users, *right) for right, users in wanting.items()}
    return {
        key
        for key, who in listeners.items()
        if who.session_key not in alive
        or hashes.get(who.user_id) != who.auth_hash
        or any(who.user_id not in allowed[right] for right in who.rights)
    }
