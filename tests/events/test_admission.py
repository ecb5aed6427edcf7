"""Many who want a stream are admitted together, and each as if it had come alone."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import get_random_string
from pytest_django.fixtures import Settings

from medimgr.events import admission, desk
from medimgr.events.admission import Applicant, admit_all
from medimgr.events.exceptions import SignInFirst, TooManyStreams
from medimgr.events.models import Connection, Event, new_token
from medimgr.events.opening import Opening
from medimgr.events.subscription import End, Subscription
from medimgr.events.terms import Terms
from medimgr.events.topics import known
from medimgr.lib.problems import Problem
from medimgr.lib.refusals import NotAllowed
from tests.events.sessions import log_in

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


class Waiting:
    """Applicants, each with a subscription as the view makes it."""

    def __init__(self) -> None:
        self.applicants: list[Applicant] = []

    def add(
        self,
        session_key: str,
        topics: set[str] | None = frozenset({"service"}),  # type: ignore[assignment]
        *,
        address: str = "192.0.2.1",
        since: int | None = None,
        **parameters: str,
    ) -> Subscription:
        wanted = known() if topics is None else topics
        stream = Subscription(
            token=new_token(), topics=wanted, max_age=60, on_end=lambda _stream, _reason: None
        )
        terms = Terms(None if topics is None else frozenset(topics), since, "/page/")
        self.applicants.append(Applicant(stream, session_key, address, terms, parameters))
        return stream

    def admitted(self) -> list[Any]:
        """Return who got in by the key of its row, and the codes of the refusals."""
        return [
            outcome.connection if isinstance(outcome, Opening) else outcome.code
            for outcome in admit_all(self.applicants)
        ]


def allowed(user: User, *codenames: str) -> User:
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def viewer() -> User:
    """Staff who may see services and nothing else."""
    return allowed(User.objects.create(username="viewer", is_staff=True), "view_service")


def test_each_gets_its_own_answer_in_the_order_of_coming(alice: User, viewer: User) -> None:
    stranger = User.objects.create(username="stranger")
    waiting = Waiting()
    waiting.add(log_in(viewer))
    waiting.add("nosuchsession")
    waiting.add(log_in(viewer), {"service", "connection"})
    waiting.add(log_in(stranger))
    waiting.add(log_in(alice), {"service", "connection"})
    waiting.add(log_in(viewer), log="no-such-service")
    first, *refused, last, log = waiting.admitted()
    assert refused == [SignInFirst.code, NotAllowed.code, NotAllowed.code]
    assert log == NotAllowed.code, "the viewer may not read logs"
    rows = {row.pk: row for row in Connection.objects.all()}
    assert set(rows) == {first, last}
    assert rows[first].user == viewer
    assert rows[last].topics == ["connection", "service"]
    assert [row.data["id"] for row in Event.objects.order_by("id")] == [first, last]
    assert [row.data["total"] for row in Event.objects.order_by("id")] == [1, 2]


def test_who_names_no_topic_gets_those_that_it_may_see(alice: User, viewer: User) -> None:
    waiting = Waiting()
    for user in (alice, viewer):
        waiting.add(log_in(user), None)
    openings = [outcome for outcome in admit_all(waiting.applicants) if isinstance(outcome, Opening)]
    assert [opening.topics for opening in openings] == [known(), {"service"}]


def test_a_crowd_costs_as_many_queries_as_one(
    viewer: User, django_assert_max_num_queries: Callable[..., Any], settings: Settings
) -> None:
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 100
    few, crowd = Waiting(), Waiting()
    few.add(log_in(viewer))
    people = [
        User.objects.create(username=f"u{number}", is_staff=True, is_superuser=True) for number in range(30)
    ]
    for person in people:
        crowd.add(log_in(person), {"service", "operation"})
    with django_assert_max_num_queries(30) as one:
        few.admitted()
    with django_assert_max_num_queries(len(one) + 2):  # one more topic, one more look at its own worker
        assert all(isinstance(place, int) for place in crowd.admitted())


def test_the_limits_hold_within_a_crowd(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 2
    settings.MEDIMGR_STREAM_MAX_CONNECTIONS = 5
    session = log_in(alice)
    waiting = Waiting()
    for number in range(9):
        waiting.add(session, address=f"192.0.2.{number // 3}")
    places = waiting.admitted()
    full = TooManyStreams.code
    assert [place if place == full else "in" for place in places] == [
        "in", "in", full,
        "in", "in", full,
        "in", full, full,
    ]  # fmt: skip
    assert Connection.objects.count() == 5


def test_who_leaves_while_it_is_admitted_leaves_no_row(alice: User) -> None:
    waiting = Waiting()
    stays, goes = waiting.add(log_in(alice)), waiting.add(log_in(alice))
    goes.lose(End.CLOSED)
    waiting.admitted()
    assert list(Connection.objects.values_list("token", flat=True)) == [stays.token]


def test_what_one_has_missed_is_not_anothers(alice: User) -> None:
    newest = 0
    for number in range(5):
        newest = Event.objects.create(topic="service", key=str(number), at=timezone.now()).pk
    Event.objects.create(topic="node", key="n", at=timezone.now())
    waiting = Waiting()
    waiting.add(log_in(alice), since=newest - 2)
    waiting.add(log_in(alice), since=newest - 2)
    waiting.add(log_in(alice), {"node"}, since=newest - 2)
    waiting.add(log_in(alice))
    waiting.add(log_in(alice), since=newest + 1000)
    openings = [outcome for outcome in admit_all(waiting.applicants) if isinstance(outcome, Opening)]
    assert [len(opening.replay) for opening in openings] == [2, 2, 1, 0, 0]
    assert [opening.reset for opening in openings] == [False, False, False, False, True]
    assert len({opening.position for opening in openings}) == 1


# --- the same people as Django's own login lets in -----------------------------------------------------


def expire(session: Session, _user: User) -> None:
    Session.objects.filter(pk=session.pk).update(expire_date=timezone.now() - timedelta(seconds=1))


def delete(session: Session, _user: User) -> None:
    session.delete()


def deactivate(_session: Session, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(_session: Session, user: User) -> None:
    user.set_password("another")
    user.save()


def remove_user(_session: Session, user: User) -> None:
    user.delete()


def change(**content: Any) -> Callable[[Session, User], None]:
    def changed(session: Session, _user: User) -> None:
        store = SessionStore(session.session_key)
        store.update(content)
        store.save()

    return changed


def spoil(session: Session, _user: User) -> None:
    Session.objects.filter(pk=session.pk).update(session_data="garbage")


def nothing(_session: Session, _user: User) -> None:
    pass


@pytest.mark.parametrize(
    "trouble",
    [
        nothing, expire, delete, deactivate, change_password, remove_user, spoil,
        pytest.param(change(**{SESSION_KEY: "no-number"}), id="no user"),
        pytest.param(change(**{SESSION_KEY: "99999"}), id="another user"),
        pytest.param(change(**{BACKEND_SESSION_KEY: "nobody.Backend"}), id="another backend"),
        pytest.param(change(_auth_user_hash="forged"), id="another hash"),
    ],
)  # fmt: skip
def test_a_session_is_good_exactly_where_django_says_so(
    alice: User, trouble: Callable[[Session, User], None]
) -> None:
    key = log_in(alice)
    trouble(Session.objects.get(session_key=key), alice)
    request = HttpRequest()
    request.session = SessionStore(key)
    try:
        known_to_django = get_user(request).is_authenticated
    except ValidationError:  # such as for a user that is no number: there is nobody
        known_to_django = False
    waiting = Waiting()
    waiting.add(key)
    (place,) = waiting.admitted()
    assert isinstance(place, int) == known_to_django == (trouble is nothing)


def test_a_session_of_the_secret_key_before_this_one_is_good(alice: User, settings: Settings) -> None:
    key = log_in(alice)
    settings.SECRET_KEY_FALLBACKS = [django_settings.SECRET_KEY]
    settings.SECRET_KEY = get_random_string(50)
    waiting = Waiting()
    waiting.add(key)
    assert isinstance(waiting.admitted()[0], int)


# --- the thread ---------------------------------------------------------------------------------------


@pytest.fixture
async def counter() -> Any:
    """A desk in this loop."""
    loop = asyncio.get_running_loop()
    opened = desk.Desk(lambda call: lambda *arguments: loop.call_soon_threadsafe(call, *arguments))  # type: ignore[arg-type, return-value]
    yield opened
    await asyncio.to_thread(opened.close, 5)


async def test_one_who_breaks_the_admission_does_not_spoil_it_for_others(
    counter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, go_on = threading.Event(), threading.Event()

    def admitting(applicants: list[Applicant]) -> list[Any]:
        came.set()
        go_on.wait(10)
        if any(applicant.session_key == "broken" for applicant in applicants):
            raise ValueError("an accident")
        return [Problem(f"refused with {len(applicants)}") for _ in applicants]

    monkeypatch.setattr(desk, "admit_all", admitting)
    waiting = Waiting()
    for key in ("first", "well", "broken", "well"):
        waiting.add(key)
    tasks = [asyncio.ensure_future(counter.admit(waiting.applicants[0]))]
    await asyncio.to_thread(came.wait, 10)
    tasks += [asyncio.ensure_future(counter.admit(applicant)) for applicant in waiting.applicants[1:]]
    await asyncio.sleep(0)  # all three are in the queue
    go_on.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(outcome, "detail", "") for outcome in outcomes] == [
        "refused with 1",
        "refused with 1",
        "Opening the stream failed; the server's log says why.",
        "refused with 1",
    ]


async def test_a_desk_that_is_closed_refuses(counter: Any) -> None:
    await asyncio.to_thread(counter.close, 5)
    waiting = Waiting()
    waiting.add("anybody")
    with pytest.raises(Problem, match="stopping"):
        await counter.admit(waiting.applicants[0])


def test_whose_rights_are_the_same_share_them() -> None:
    """A thousand streams keep one set of rights, not a thousand."""
    assert admission._rights(frozenset({"service"})) is admission._rights(frozenset(["service"]))
