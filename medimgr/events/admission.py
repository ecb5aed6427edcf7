"""Lets people in who want a stream: who they are, what they may see, a place, and what they have missed.

All who wait are admitted together, with as many queries as for one: after a restart everybody comes at once.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from medimgr.events import connections, sources
from medimgr.events.connections import Arrival
from medimgr.events.exceptions import SignInFirst
from medimgr.events.opening import Listener, Opening
from medimgr.events.replay import Replays
from medimgr.events.sources import Source
from medimgr.events.subscription import Subscription
from medimgr.events.terms import Terms
from medimgr.events.topics import known, model_of
from medimgr.lib.access import NotAllowed, demand_staff, permission, permitted_users
from medimgr.lib.problems import Problem


@dataclass(frozen=True, slots=True)
class Applicant:
    """Somebody who asks for a stream."""

    subscription: Subscription
    session_key: str
    address: str
    terms: Terms
    parameters: Mapping[str, str]
    """The query, in which sources are asked for."""


@dataclass(frozen=True, slots=True)
class _Person:
    """Whom a session belongs to."""

    user: Any
    auth_hash: str


@dataclass(slots=True)
class _Case:
    """An applicant who has not been refused yet."""

    applicant: Applicant
    person: _Person
    topics: frozenset[str]
    wanted: tuple[Source, ...]


Outcome = Opening | Problem


def admit_all(applicants: Sequence[Applicant]) -> list[Outcome]:
    """Return for each applicant how its stream begins, or why it is refused, in their order.

    Two queries for the people, one for each topic asked for, some eight for their places, two for the log,
    and what sources and replays need. Raises what the database raises.
    """
    people = _people({applicant.session_key for applicant in applicants})
    may_view = _Views(people.values())
    outcomes: dict[int, Outcome] = {}
    cases: dict[int, _Case] = {}
    for number, applicant in enumerate(applicants):
        try:
            cases[number] = _examine(applicant, people, may_view)
        except Problem as problem:
            outcomes[number] = problem
    for applicant in (case.applicant for case in cases.values()):
        applicant.subscription.has_row = True  # from now on, should the client leave
    places = connections.take_places([_arrival(case) for case in cases.values()])
    replays = Replays()
    for (number, case), place in zip(cases.items(), places, strict=True):
        if isinstance(place, Problem):
            case.applicant.subscription.has_row = False
            outcomes[number] = place
        else:
            outcomes[number] = _opening(case, place, replays)
    left = [case.applicant.subscription for case in cases.values()]
    # The client left meanwhile, and the row may have come after its removal.
    connections.give_back({stream.token: stream.ended for stream in left if stream.ended is not None})
    return [outcomes[number] for number in range(len(applicants))]


def _people(session_keys: "set[str]") -> dict[str, _Person]:
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
            found[key] = _Person(user, hashes[user.pk])
    return found


def _user_id(content: Mapping[str, Any]) -> Any:
    if content.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    try:
        return get_user_model()._meta.pk.to_python(content.get(SESSION_KEY))
    except ValidationError:
        return None


class _Views:
    """Who may view what, asked once for all people."""

    def __init__(self, people: Any) -> None:
        self._ids = {person.user.pk for person in people}
        self._allowed: dict[type[Model], frozenset[int]] = {}

    def __call__(self, person: _Person, topic: str) -> bool:
        model = model_of(topic)
        if model not in self._allowed:
            self._allowed[model] = permitted_users(self._ids, "view", model)
        return person.user.pk in self._allowed[model]


def _examine(
    applicant: Applicant, people: Mapping[str, _Person], may_view: Callable[[_Person, str], bool]
) -> _Case:
    person = people.get(applicant.session_key)
    if person is None:
        raise SignInFirst("Sign in, then open the page again.")
    demand_staff(person.user)  # whom no topic's permission would ask, where no topic is wanted
    topics = applicant.terms.topics
    if topics is None:
        topics = frozenset(topic for topic in known() if may_view(person, topic))
    for topic in sorted(topics):
        if not may_view(person, topic):
            raise NotAllowed.for_want_of(permission("view", model_of(topic)))
    return _Case(applicant, person, topics, tuple(sources.open_wanted(person.user, applicant.parameters)))


def _arrival(case: _Case) -> Arrival:
    return Arrival(
        token=case.applicant.subscription.token,
        user=case.person.user,
        address=case.applicant.address,
        page=case.applicant.terms.page,
        topics=sorted(case.topics),
    )


def _opening(case: _Case, connection: int, replays: Replays) -> Opening:
    replay = replays.read(case.topics, case.applicant.terms.since)
    rights = _rights(case.topics)
    for source in case.wanted:
        rights |= source.rights
    return Opening(
        connection=connection,
        topics=case.topics,
        position=replay.position,
        since=replay.since,
        replay=replay.events,
        reset=replay.reset,
        listener=Listener(
            user_id=case.person.user.pk,
            session_key=case.applicant.session_key,
            auth_hash=case.person.auth_hash,
            rights=rights,
        ),
        sources=case.wanted,
    )


@functools.lru_cache(256)
def _rights(topics: frozenset[str]) -> frozenset[tuple[str, type[Model]]]:
    # One object for the thousand streams that have the same.
    return frozenset(("view", model_of(topic)) for topic in topics)
