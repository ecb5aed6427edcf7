"""Programs at the door of the streams: let in by their token alone, as far as it and its account allow."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from medimgr.accounts import families
from medimgr.accounts.bearer import Holder
from medimgr.accounts.models import MachineToken, TokenFamily
from medimgr.events.admission import Applicant, admit_all
from medimgr.events.log import last_event_id
from medimgr.events.models import Connection, Tick, new_token
from medimgr.events.opening import Listener, Opening
from medimgr.events.standing import no_longer_entitled
from medimgr.events.subscription import Subscription
from medimgr.events.terms import Terms
from medimgr.events.topics import known
from medimgr.lib.problems import Problem
from tests.events.limits import limit, machine_token, reaching
from tests.events.sessions import log_in
from tests.factories import make_service
from tests.medimgr.accounts.logging_in import KEYS
from tests.medimgr.accounts.logging_in import log_in as log_in_by_api

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> None:
    settings.MEDIMGR_TOKEN_KEYS = KEYS


def applicant(
    bearer: str | None = None,
    session: str = "",
    topics: set[str] | None = frozenset({"service"}),  # type: ignore[assignment]
    address: str = "192.0.2.1",
    **parameters: str,
) -> Applicant:
    stream = Subscription(
        token=new_token(), topics=topics or known(), max_age=60, on_end=lambda _stream, _reason: None
    )
    terms = Terms(None if topics is None else frozenset(topics), None, "")
    return Applicant(stream, session, address, terms, parameters, bearer)


def outcome(**asked: Any) -> Any:
    (found,) = admit_all([applicant(**asked)])
    return found


def opened(**asked: Any) -> Opening:
    found = outcome(**asked)
    assert isinstance(found, Opening), found
    return found


def code(found: Any) -> str:
    assert isinstance(found, Problem), found
    return found.code


# --- the door -------------------------------------------------------------------------------------------


def test_a_machine_gets_the_topics_of_its_token_and_of_its_account_and_no_others(bob: User) -> None:
    token = machine_token(bob, "monitoring.view_service", "monitoring.tail_service", "events.view_connection")
    assert opened(bearer=token, topics=None).topics == {"service", "connection"}
    assert code(outcome(bearer=token, topics={"service", "node"})) == "not-permitted"
    bob.user_permissions.remove(Permission.objects.get(codename="view_connection"))
    assert opened(bearer=token, topics=None).topics == {"service"}
    make_service("web")
    assert code(outcome(bearer=token, log="web")) == "not-permitted", "bob himself may not read logs"


def test_a_token_is_limited_by_itself_and_by_its_account(alice: User) -> None:
    token = machine_token(alice, groups=["a", "b"])
    assert opened(bearer=token).listener.scope == reaching("a", "b")
    limit(alice, "b", "c")
    assert opened(bearer=token).listener.scope == reaching("b")
    assert opened(session=log_in(alice)).listener.scope == reaching("b", "c")


def test_the_token_of_a_superuser_is_still_limited() -> None:
    root = User.objects.create_superuser("root", password="root-password")
    limit(root, "z")
    assert opened(bearer=machine_token(root, groups=["a"])).listener.scope == reaching("a")
    assert opened(session=log_in(root)).listener.scope.is_everything


def test_a_login_by_api_is_as_good_as_one_by_page(alice: User) -> None:
    opening = opened(bearer=log_in_by_api()["access"], topics=None)
    assert opening.topics == known()
    assert opening.listener.holder is not None
    assert opening.listener.session_key == ""


@pytest.mark.parametrize("bad", ["", "nonsense", "mm_aaaaaaaa_" + "b" * 43, "e30.e30.e30", "x" * 9000, "ü\0"])
def test_a_bad_token_is_refused_whatever_session_comes_with_it(alice: User, bad: str) -> None:
    assert code(outcome(bearer=bad, session=log_in(alice))) == "token-invalid"
    assert not Connection.objects.exists()


def test_the_refresh_token_opens_nothing(alice: User) -> None:
    assert code(outcome(bearer=log_in_by_api()["refresh"])) == "token-invalid"


def test_an_old_access_token_is_told_from_a_bad_one(alice: User, time_machine: Any) -> None:
    token = log_in_by_api()["access"]
    time_machine.move_to(timezone.now() + timedelta(minutes=16))
    assert code(outcome(bearer=token)) == "token-expired"


def test_use_is_noted_with_the_address(alice: User) -> None:
    opened(bearer=machine_token(alice), address="192.0.2.77")
    row = MachineToken.objects.get()
    assert row.last_used_address == "192.0.2.77"
    assert row.last_used_at is not None
    assert Connection.objects.get().machine_token == row.name


def test_the_limit_of_an_address_is_that_of_a_token_too(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 2
    one, other = machine_token(alice, name="one"), machine_token(alice, name="other")
    asked = [applicant(one, address=f"192.0.2.{number}") for number in range(4)]
    asked.append(applicant(other, address="192.0.2.9"))
    found = admit_all(asked)
    assert [isinstance(place, Opening) for place in found] == [True, True, False, False, True]
    assert "'one'" in found[2].detail, found[2]  # type: ignore[union-attr]
    assert code(outcome(bearer=one, address="192.0.2.50")) == "too-many-streams"
    assert one not in str(found[2])


def test_a_crowd_with_tokens_costs_as_many_queries_as_one(
    alice: User, django_assert_max_num_queries: Callable[..., Any], settings: Settings
) -> None:
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 100
    limit(alice, "a")
    tokens = [machine_token(alice, name=f"t{number}") for number in range(12)]
    logins = [log_in_by_api()["access"] for _ in range(3)]
    session = log_in(alice)
    few = [applicant(tokens[0]), applicant(logins[0]), applicant(session=session)]
    crowd = [applicant(token) for token in tokens[1:] + logins[1:]] + [applicant(session=session)]
    with django_assert_max_num_queries(40) as one:
        admit_all(few)
    with django_assert_max_num_queries(len(one)):
        assert all(isinstance(found, Opening) for found in admit_all(crowd))


def test_nothing_that_is_kept_of_an_applicant_shows_its_token(alice: User) -> None:
    token = machine_token(alice)
    asked = applicant(token)
    (opening,) = admit_all([asked])
    assert token not in f"{asked!r} {asked.credentials!r} {opening!r}"
    assert token not in str(list(Connection.objects.values()))


# --- whether it may listen on ----------------------------------------------------------------------------


def listening(bearer: str | None = None, session: str = "") -> Listener:
    return opened(bearer=bearer, session=session).listener


def ends(who: Listener) -> bool:
    return no_longer_entitled({"who": who}) == {"who"}


def test_a_revoked_token_an_ended_login_and_a_changed_password_end_what_they_opened(alice: User) -> None:
    machine, other = listening(machine_token(alice, name="a")), listening(machine_token(alice, name="b"))
    login, session = listening(log_in_by_api()["access"]), listening(session=log_in(alice))
    everybody = {"machine": machine, "other": other, "login": login, "session": session}
    assert no_longer_entitled(everybody) == set()
    MachineToken.objects.filter(name="a").update(revoked_at=timezone.now())
    assert no_longer_entitled(everybody) == {"machine"}
    families.end(TokenFamily.objects.get().pk, "logout")
    assert no_longer_entitled(everybody) == {"machine", "login"}
    alice.set_password("another-password")
    alice.save()
    assert no_longer_entitled(everybody) == {"machine", "login", "session"}, "machines have no password"


def test_an_access_token_is_good_for_as_long_as_it_says(alice: User, time_machine: Any) -> None:
    who = listening(log_in_by_api()["access"])
    time_machine.move_to(timezone.now() + timedelta(minutes=14))
    assert not ends(who)
    time_machine.move_to(timezone.now() + timedelta(minutes=2))
    assert ends(who)


@pytest.mark.parametrize("field", ["is_active", "is_staff"])
def test_an_account_that_is_switched_off_ends_what_its_token_opened(alice: User, field: str) -> None:
    who = listening(machine_token(alice))
    User.objects.filter(pk=alice.pk).update(**{field: False})
    assert ends(who)


def test_an_account_that_loses_a_permission_ends_what_its_token_opened(alice: User) -> None:
    who = listening(machine_token(alice))
    alice.user_permissions.remove(Permission.objects.get(codename="view_service"))
    assert ends(who)


def test_a_scope_that_changes_for_the_token_ends_it_and_one_that_does_not_leaves_it(alice: User) -> None:
    who = listening(machine_token(alice, groups=["a"]))
    limit(alice, "a", "b")
    assert not ends(who), "within its account it may do what it could"
    limit(alice, "b")
    assert ends(who)


def test_many_with_tokens_are_looked_after_with_as_many_queries_as_few(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    kinds = [
        listening(machine_token(alice)),
        listening(log_in_by_api()["access"]),
        listening(session=log_in(alice)),
    ]
    many = {f"{number}/{kind}": who for number in range(30) for kind, who in enumerate(kinds)}
    with django_assert_num_queries(6):
        assert no_longer_entitled(many) == set()


def test_a_holder_of_a_token_that_never_was_hears_no_more(alice: User) -> None:
    who = listening(machine_token(alice))
    assert isinstance(who.holder, Holder)
    assert ends(replace(who, holder=replace(who.holder, machine_token=999)))


# --- the poll -------------------------------------------------------------------------------------------


def poll(client: Client, bearer: str, **query: Any) -> Any:
    return client.get("/events/poll/", query, headers={"Authorization": f"Bearer {bearer}"})


def test_a_program_may_poll_with_its_token_and_hears_what_its_token_reaches(alice: User) -> None:
    make_service("lone")
    since = last_event_id()
    make_service("web", group="a")
    make_service("db", group="b")
    Tick.objects.create(node="n", at=timezone.now(), data={"web": [1.0, 2.0], "db": [3.0, 4.0]})
    answer = poll(Client(), machine_token(alice, groups=["a"]), topics="service", last_event_id=since)
    document = answer.json()
    assert [event["data"]["key"] for event in document["events"]] == ["web"]
    assert [tick["services"] for tick in document["ticks"]] == [{"web": [1.0, 2.0]}]
    assert MachineToken.objects.get().last_used_at is not None


def test_a_bad_token_is_refused_at_the_poll_whatever_cookie_comes_with_it(alice: User) -> None:
    client = Client()
    client.force_login(alice, "django.contrib.auth.backends.ModelBackend")
    assert client.get("/events/poll/", {"topics": "service"}).status_code == 200
    answer = poll(client, "nonsense", topics="service")
    assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")
    assert answer["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_in_the_address_opens_nothing(alice: User) -> None:
    token = machine_token(alice)
    for name in ("access_token", "token", "bearer", "Authorization"):
        answer = Client().get("/events/poll/", {"topics": "service", name: token})
        assert (answer.status_code, answer.json()["code"]) == (401, "not-logged-in")


def test_a_poll_with_a_token_never_takes_the_permissions_of_the_cookie(alice: User, bob: User) -> None:
    client = Client()
    client.force_login(alice, "django.contrib.auth.backends.ModelBackend")
    answer = poll(client, machine_token(bob), topics="service,operation")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-permitted")
