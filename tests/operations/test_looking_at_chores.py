"""Chores on the page and in the API: how each went, what is wrong, and having one done now."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from operations import chores
from operations.chore_rows import attention, chore_rows
from operations.chores import Chore, carry_out, run_now, take_due
from operations.exceptions import UnknownChore
from operations.models import ChoreRun
from tests.api import assert_problem, client_of, post

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

API = "/api/operations/chores"


def sweep() -> str:
    """Sweep the floor."""
    return "swept"


def stumble() -> None:
    """Stumble."""
    raise OSError("password=hunter2")


@pytest.fixture(autouse=True)
def only_mine() -> Iterator[None]:
    before = chores.all_chores()
    for name in before:
        chores.unregister(name)
    chores.register(Chore("floor.sweep", 60.0, sweep))
    yield
    for name in chores.all_chores():
        chores.unregister(name)
    for known in before.values():
        chores.register(known)


def do(worker: str = "w", times: int = 1) -> None:
    for _ in range(times):
        ChoreRun.objects.update(next_at=timezone.now() - timedelta(seconds=1))
        for chore in take_due(worker, chores.all_chores()):
            carry_out(chore, worker)


def row() -> dict[str, Any]:
    [only] = chore_rows()
    return only


def test_a_chore_that_was_never_done_says_so() -> None:
    assert (row()["standing"], row()["next_at"], row()["does"]) == ("never", None, "Sweep the floor.")
    assert attention(chore_rows()) == []


def test_a_chore_that_was_done_tells_how_it_went() -> None:
    do()
    told = row()
    assert (told["standing"], told["result"], told["error"], told["failures"]) == ("waiting", "swept", "", 0)
    assert told["took_seconds"] is not None
    assert 0 <= told["took_seconds"] < 5
    assert told["started_at"] <= told["finished_at"] < told["next_at"]


def test_failures_in_a_row_are_counted_and_told_from_the_third_on() -> None:
    chores.register(Chore("floor.sweep", 60.0, stumble))
    do(times=2)
    assert (row()["standing"], row()["failures"]) == ("failed", 2)
    assert attention(chore_rows()) == []
    do()
    [sentence] = attention(chore_rows())
    assert sentence.startswith("The chore floor.sweep has failed 3 times in a row: OSError")
    assert "hunter2" not in sentence
    chores.register(Chore("floor.sweep", 60.0, sweep))
    do()
    assert (row()["standing"], row()["failures"], attention(chore_rows())) == ("waiting", 0, [])


def test_a_chore_that_nobody_does_is_overdue() -> None:
    do()
    ChoreRun.objects.update(next_at=timezone.now() - timedelta(seconds=30))
    assert row()["standing"] == "due"
    ChoreRun.objects.update(next_at=timezone.now() - timedelta(seconds=90))
    assert row()["standing"] == "overdue"
    [sentence] = attention(chore_rows())
    assert sentence.startswith("The chore floor.sweep is overdue")
    assert "run_operations" in sentence
    take_due("w", chores.all_chores())
    assert (row()["standing"], row()["owner"]) == ("running", "w")
    ChoreRun.objects.update(lease_until=timezone.now() - timedelta(seconds=90))
    assert row()["standing"] == "overdue"


def test_asked_for_now_it_is_due_at_once_and_again_after_a_run_that_was_under_way() -> None:
    do()
    assert take_due("w", chores.all_chores()) == []
    run_now("floor.sweep")
    [taken] = take_due("w", chores.all_chores())
    run_now("floor.sweep")
    assert take_due("other", chores.all_chores()) == [], "One at a time."
    carry_out(taken, "w")
    [again] = take_due("w", chores.all_chores())
    carry_out(again, "w")
    assert take_due("w", chores.all_chores()) == []
    with pytest.raises(UnknownChore, match=r"'floor\.mop'.*floor\.sweep"):
        run_now("floor.mop")


def test_one_that_was_never_done_can_be_asked_for_too() -> None:
    run_now("floor.sweep")
    assert [chore.name for chore in take_due("w", chores.all_chores())] == ["floor.sweep"]


def test_the_api_shows_and_starts_chores(alice: User, bob: User, charlie: User) -> None:
    do()
    shown = client_of(bob).get(API).json()
    assert [item["name"] for item in shown["items"]] == ["floor.sweep"]
    assert shown["attention"] == []
    answer = post(client_of(alice), f"{API}/floor.sweep/run")
    assert answer.status_code == 202
    assert answer.json()["chore"]["standing"] == "due"
    assert ChoreRun.objects.get().next_at <= timezone.now()
    assert_problem(post(client_of(alice), f"{API}/floor.mop/run"), 404, "unknown-chore")
    for person in (bob, charlie):
        assert_problem(post(client_of(person), f"{API}/floor.sweep/run"), 403, "not-permitted")
    assert_problem(client_of(charlie).get(API), 403, "not-permitted")
    assert_problem(post(client_of(None), f"{API}/floor.sweep/run"), 401, "not-logged-in")
    assert client_of(alice).get(f"{API}/floor.sweep/run").status_code == 405


def test_the_pages_show_what_is_wrong(bob: User, charlie: User) -> None:
    chores.register(Chore("floor.sweep", 60.0, stumble))
    do(times=3)
    for address in ("/operations/chores/", "/operations/"):
        text = client_of(bob).get(address).content.decode()
        assert "The chore floor.sweep has failed 3 times in a row" in text, address
        assert "hunter2" not in text
    page = client_of(bob).get("/operations/chores/").content.decode()
    assert "clean-up" not in page, "Bob may not delete anything."
    assert client_of(charlie).get("/operations/chores/").status_code == 403
    assert client_of(bob).post("/operations/chores/").status_code == 405
