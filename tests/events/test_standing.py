"""Who may go on listening: the same answer as at the door, for many at once."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.models import Session
from django.db.models import Model
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from medimgr.events.models import Connection
from medimgr.events.opening import Listener
from medimgr.events.standing import no_longer_entitled
from medimgr.lib.access import may, permission, permitted_users
from monitoring.models import Service
from operations.models import Operation
from tests.events.sessions import log_in

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

RIGHTS: list[tuple[str, type[Model]]] = [
    ("view", Service),
    ("view", Operation),
    ("tail", Service),
    ("view", Connection),
]


def listener(user: User, *rights: tuple[str, type[Model]]) -> Listener:
    return Listener(
        user_id=user.pk,
        session_key=log_in(user),
        auth_hash=user.get_session_auth_hash(),
        rights=frozenset(rights or [("view", Service)]),
    )


def test_who_is_signed_in_and_permitted_stays(alice: User, bob: User) -> None:
    assert no_longer_entitled({"a": listener(alice), "b": listener(bob)}) == set()
    assert no_longer_entitled({}) == set()


def test_a_logout_ends_the_streams_of_that_session_alone(alice: User) -> None:
    here, there = listener(alice), listener(alice)
    Session.objects.filter(session_key=here.session_key).delete()
    assert no_longer_entitled({"here": here, "there": there}) == {"here"}


def test_an_expired_session_is_none(alice: User) -> None:
    who = listener(alice)
    Session.objects.filter(session_key=who.session_key).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )
    assert no_longer_entitled({"a": who}) == {"a"}


def test_a_changed_password_ends_what_was_opened_with_the_old_one(alice: User) -> None:
    who = listener(alice)
    alice.set_password("another-password")
    alice.save()
    assert no_longer_entitled({"a": who}) == {"a"}


@pytest.mark.parametrize("field", ["is_active", "is_staff"])
def test_an_account_that_is_switched_off_hears_no_more(alice: User, field: str) -> None:
    who = listener(alice)
    User.objects.filter(pk=alice.pk).update(**{field: False})
    assert no_longer_entitled({"a": who}) == {"a"}


def test_a_deleted_account_hears_no_more(alice: User) -> None:
    who = listener(alice)
    alice.delete()
    assert no_longer_entitled({"a": who}) == {"a"}


def test_one_withdrawn_permission_of_several_is_enough(alice: User, bob: User) -> None:
    both = listener(alice, ("view", Service), ("tail", Service))
    looks = listener(alice, ("view", Service))
    alice.user_permissions.remove(Permission.objects.get(codename="tail_service"))
    assert no_longer_entitled({"both": both, "looks": looks, "bob": listener(bob)}) == {"both"}


def test_a_hundred_listeners_cost_as_many_queries_as_two(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    people = [alice, bob] + [User.objects.create_user(f"user{n}", is_staff=True) for n in range(48)]
    listeners = {f"{n}/{user.pk}": listener(user, *RIGHTS[:2]) for user in people for n in range(2)}
    with django_assert_num_queries(5):
        assert len(no_longer_entitled(listeners)) == 96


class TestTheSameAnswerForManyAsForOne(TestCase):
    """``permitted_users`` is ``may`` for many: a property over who holds what, and how."""

    @settings(max_examples=20, deadline=None)
    @given(
        people=st.lists(
            st.tuples(
                st.booleans(),
                st.booleans(),
                st.booleans(),
                st.sets(st.sampled_from(range(4))),
                st.sets(st.sampled_from(range(4))),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def test_it_agrees(self, people: list[tuple[bool, bool, bool, set[int], set[int]]]) -> None:
        users = []
        for number, (active, staff, root, own, through_group) in enumerate(people):
            user = User.objects.create(
                username=f"u{number}", is_active=active, is_staff=staff, is_superuser=root
            )
            group = Group.objects.create(name=f"g{number}")
            user.groups.add(group)
            for right in own:
                user.user_permissions.add(_permission(*RIGHTS[right]))
            for right in through_group:
                group.permissions.add(_permission(*RIGHTS[right]))
            users.append(User.objects.get(pk=user.pk))
        for verb, model in RIGHTS:
            expected = {user.pk for user in users if may(user, verb, model)}
            assert permitted_users([user.pk for user in users], verb, model) == expected


def _permission(verb: str, model: type[Model]) -> Permission:
    label, codename = permission(verb, model).split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)
