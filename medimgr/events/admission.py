"""Lets people in who want a stream: who they are, what they may see, a place, and what they have missed.

All who wait are admitted together, with as many queries as for one: after a restart everybody comes at once.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Model

from medimgr.events import connections, sources
from medimgr.events.connections import Arrival
from medimgr.events.exceptions import SignInFirst
from medimgr.events.opening import Listener, Opening
from medimgr.events.people import Credentials, People, Person, people_behind
from medimgr.events.replay import Replays
from medimgr.events.sight import Look, look
from medimgr.events.sources import Source
from medimgr.events.subscription import Subscription
from medimgr.events.terms import Terms
from medimgr.events.topics import known, model_of
from medimgr.lib.access import demand_staff, permission, permitted_users
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import NotAllowed


@dataclass(frozen=True, slots=True)
class Applicant:
    """Somebody who asks for a stream."""

    subscription: Subscription
    session_key: str
    address: str
    terms: Terms
    parameters: Mapping[str, str]
    """The query, in which sources are asked for."""
    bearer: str | None = field(default=None, repr=False)
    """The token it came with, which counts instead of a session."""

    @property
    def credentials(self) -> Credentials:
        """Return by what it wants to be known."""
        return Credentials(None, self.session_key) if self.bearer is None else Credentials(self.bearer)


@dataclass(slots=True)
class _Case:
    """An applicant who has not been refused yet."""

    applicant: Applicant
    person: Person
    topics: frozenset[str]
    wanted: tuple[Source, ...]


Outcome = Opening | Problem


def admit_all(applicants: Sequence[Applicant]) -> list[Outcome]:
    """Return for each applicant how its stream begins, or why it is refused, in their order.

    What :func:`people_behind` asks, one query for each topic asked for, some eight for their places, two for
    the log, two more where somebody is limited, and what sources and replays need. Raises what the database
    raises.
    """
    people = people_behind((applicant.credentials, applicant.address) for applicant in applicants)
    may_view = _Views(person for person in people.values() if isinstance(person, Person))
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
    limited = any(not case.person.scope.is_everything for case in cases.values())
    seen = look() if limited else None
    for (number, case), place in zip(cases.items(), places, strict=True):
        if isinstance(place, Problem):
            case.applicant.subscription.has_row = False
            outcomes[number] = place
        else:
            outcomes[number] = _opening(case, place, replays, seen)
    left = [case.applicant.subscription for case in cases.values()]
    # The client left meanwhile, and the row may have come after its removal.
    connections.give_back({stream.token: stream.ended for stream in left if stream.ended is not None})
    return [outcomes[number] for number in range(len(applicants))]


class _Views:
    """Who may view what, asked once for all people."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._ids = {person.user.pk for person in people}
        self._allowed: dict[type[Model], frozenset[int]] = {}

    def __call__(self, person: Person, topic: str) -> bool:
        model = model_of(topic)
        if model not in self._allowed:
            self._allowed[model] = permitted_users(self._ids, "view", model)
        return person.user.pk in self._allowed[model] and person.is_let("view", model)


def _examine(
    applicant: Applicant,
    people: People,
    may_view: Callable[[Person, str], bool],
) -> _Case:
    person = people.get(applicant.credentials)
    if isinstance(person, Problem):
        raise person
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
    holder = case.person.holder
    return Arrival(
        token=case.applicant.subscription.token,
        user=case.person.user,
        address=case.applicant.address,
        page=case.applicant.terms.page,
        topics=sorted(case.topics),
        machine_token="" if holder is None else holder.limits.token,
    )


def _opening(case: _Case, connection: int, replays: Replays, seen: Look | None) -> Opening:
    person = case.person
    replay = replays.read(case.topics, case.applicant.terms.since, person.scope)
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
            user_id=person.user.pk,
            session_key="" if person.holder else case.applicant.session_key,
            auth_hash=person.auth_hash,
            rights=rights,
            scope=person.scope,
            holder=person.holder,
        ),
        sources=case.wanted,
        user_name=person.user.get_username(),
        look=None if person.scope.is_everything else seen,
    )


@functools.lru_cache(256)
def _rights(topics: frozenset[str]) -> frozenset[tuple[str, type[Model]]]:
    # One object for the thousand streams that have the same.
    return frozenset(("view", model_of(topic)) for topic in topics)
