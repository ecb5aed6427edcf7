"""Who answers is looked up regularly, for all at once, and only what has changed is written."""

import itertools
import resource
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from medimgr.events.log import last_event_id
from operations import chores
from operations.chores import ChoreRunner
from tests.running import free_port, wait_for
from tests.silent_listener import silent_listener
from tests.workstations.polling_worlds import answering, declared, events_after, statements
from workstations.exceptions import (
    AuthenticationFailure,
    ConnectFailed,
    RemoteFailure,
    UnknownHost,
    Unreachable,
)
from workstations.models import Change, Workstation
from workstations.polling.beats import left_until, turn
from workstations.polling.probing import Finding, Prober, Target
from workstations.polling.reachability import CHORE, look_who_answers
from workstations.polling.statuses import store
from workstations.polling.verdicts import is_news

pytestmark = pytest.mark.both_databases


@pytest.fixture(autouse=True)
def all_at_once() -> Iterator[None]:
    """Have an interval so short that everybody's turn is at its beginning."""
    with override_settings(MEDIMGR_REACHABILITY_SECONDS=1.0):
        yield


def probers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in ("reachability", "resolve")]


@pytest.mark.django_db(transaction=True)
def test_who_answers_who_refuses_and_who_is_silent_are_told_apart_and_published() -> None:
    with answering() as (port, count), silent_listener() as silent:
        there = declared("there", port)
        refusing = declared("refusing", free_port())
        away = declared("away", silent)
        last = last_event_id()
        begin = time.monotonic()
        assert look_who_answers() == "1 answering, 2 not to be reached"
        assert time.monotonic() - begin < 7
        assert count() == 1
    for one in (there, refusing, away):
        one.refresh_from_db()
    assert (there.status, there.error_code, there.last_error) == ("online", "", "")
    assert (refusing.status, refusing.error_code) == ("offline", "workstation-refused")
    assert "refuses" in refusing.last_error
    assert (away.status, away.error_code) == ("offline", "workstation-unreachable")
    assert "within 5 s" in away.last_error
    assert there.seen_at is not None
    assert away.seen_at is None
    assert set(events_after(last)) == {
        (str(there.pk), "online"),
        (str(refusing.pk), "offline"),
        (str(away.pk), "offline"),
    }
    assert {(one.workstation_id, one.what, one.before, one.after) for one in Change.objects.all()} == {
        (there.pk, "status", "unknown", "online"),
        (refusing.pk, "status", "unknown", "offline"),
        (away.pk, "status", "unknown", "offline"),
    }
    assert probers() == []


@pytest.mark.django_db(transaction=True)
def test_a_quiet_fleet_costs_one_query_and_no_write() -> None:
    with answering("0.0.0.0") as (port, count):
        for number in range(20):
            declared(f"there-{number}", port, host=f"127.0.1.{number + 1}")
            declared(f"away-{number}", 9, host=f"127.0.1.{number + 1}")
        look_who_answers()
        last = last_event_id()
        with statements() as (every, writes):
            assert look_who_answers() == ""
        wait_for(lambda: count() == 40, 5, "both looks to have been answered")
    assert (len(every), writes) == (1, []), every
    assert last_event_id() == last
    # What was seen long ago is noted again: for all of them in one write, of which nobody is told.
    Workstation.objects.filter(status="online").update(seen_at=timezone.now() - timedelta(seconds=301))
    with answering("0.0.0.0") as (other, _):
        Workstation.objects.filter(status="online").update(port=other)
        with statements() as (_, writes):
            look_who_answers()
    assert len(writes) == 1, writes
    assert last_event_id() == last
    assert not Workstation.objects.filter(
        status="online", seen_at__lt=timezone.now() - timedelta(60)
    ).exists()


@pytest.mark.django_db(transaction=True)
def test_a_hundred_silent_ones_delay_nobody() -> None:
    with answering("0.0.0.0") as (port, _), silent_listener("0.0.0.0") as silent:
        Workstation.objects.bulk_create(
            Workstation(name=f"{word}-{number}", host=f"127.0.2.{number + 1}", port=at)
            for number in range(100)
            for word, at in (("away", silent), ("there", port))
        )

        def look() -> None:
            look_who_answers()
            connections.close_all()

        looking = threading.Thread(target=look)
        begin = time.monotonic()
        looking.start()
        wait_for(
            lambda: Workstation.objects.filter(name__startswith="there", status="online").count() == 100,
            4,
            "those that answer are online before the silent ones are given up",
        )
        looking.join(10)
        assert time.monotonic() - begin < 8
    assert Workstation.objects.filter(name__startswith="away", status="offline").count() == 100


@pytest.mark.django_db(transaction=True)
def test_a_workstation_that_comes_back_is_told_once_each_way_and_may_be_asked_at_once() -> None:
    port = free_port()
    workstation = declared("ws", port)
    look_who_answers()
    Workstation.objects.update(failures=3, next_probe_at=timezone.now() + timedelta(seconds=50))
    last = last_event_id()
    look_who_answers()
    assert events_after(last) == []
    with answering() as (there, _):
        Workstation.objects.update(port=there)
        look_who_answers()
        look_who_answers()
    assert events_after(last) == [(str(workstation.pk), "online")]
    workstation.refresh_from_db()
    assert (workstation.failures, workstation.next_probe_at) == (0, None)


@pytest.mark.django_db(transaction=True)
def test_whoever_is_not_to_be_polled_is_left_alone() -> None:
    with answering() as (port, count):
        workstation = declared("ws", port, polled=False)
        assert look_who_answers() == ""
        assert count() == 0
        Workstation.objects.update(polled=True)
        look_who_answers()
        assert count() == 1, "A declaration counts from the next look on."
    workstation.refresh_from_db()
    assert workstation.status == "online"


@pytest.mark.django_db(transaction=True)
def test_what_was_edited_deleted_or_reached_meanwhile_stands() -> None:
    moved, kept, deleted, reached = (declared(name, 9, host=f"{name}.test") for name in "abcd")
    failure = Unreachable("It did not answer.")
    began = timezone.now()
    findings = [
        Finding(Target(one.pk, one.host, one.port), began, failure) for one in (moved, kept, deleted, reached)
    ]
    Workstation.objects.filter(pk=moved.pk).update(host="elsewhere.test")
    Workstation.objects.filter(pk=reached.pk).update(status="online", seen_at=timezone.now())
    deleted.delete()
    last = last_event_id()
    assert store(findings) == ["not to be reached"]
    assert events_after(last) == [(str(kept.pk), "offline")]
    assert Workstation.objects.get(pk=reached.pk).status == "online"


@pytest.mark.django_db(transaction=True)
def test_a_name_that_nobody_knows_is_an_error_until_it_is_known() -> None:
    workstation = declared("ws", 5985, host="no-such-host.invalid")
    look_who_answers()
    workstation.refresh_from_db()
    assert (workstation.status, workstation.error_code) == ("error", UnknownHost.code)
    assert "not known" in workstation.last_error or "not resolved" in workstation.last_error
    with answering() as (port, _):
        Workstation.objects.update(host="localhost", port=port)
        look_who_answers()
    workstation.refresh_from_db()
    assert (workstation.status, workstation.error_code) == ("online", "")


@pytest.mark.parametrize(
    ("status", "code", "failure", "news"),
    [
        ("unknown", "", None, True),
        ("offline", "workstation-refused", None, True),
        ("error", "workstation-unknown-host", None, True),
        ("error", AuthenticationFailure.code, None, False),
        ("error", AuthenticationFailure.code, Unreachable("Nobody answers."), True),
        ("online", "", None, False),
        ("online", "", ConnectFailed("Odd."), True),
    ],
)
def test_a_connect_ends_only_what_a_connect_has_shown(
    status: str, code: str, failure: RemoteFailure | None, news: bool
) -> None:
    assert is_news(Workstation(status=status, error_code=code), failure, timezone.now()) is news


def test_turns_are_spread_over_the_interval_and_stay_the_same() -> None:
    turns = sorted(turn(pk, 24.0) for pk in range(1, 201))
    gaps = [after - before for before, after in itertools.pairwise(turns)]
    assert turns[0] >= 0
    assert turns[-1] < 24
    assert max(gaps) < 3 * 24 / 200, "Some come all at once."
    assert turn(7, 24.0) == turn(7, 24.0)
    assert turn(7, -3.0) == 0
    at = 900.0 + turn(7, 24.0)
    assert left_until(7, 900.0, 30.0, 24.0) == pytest.approx(at - 900.0)
    assert left_until(7, at + 1, 30.0, 24.0) == 0


@pytest.mark.django_db(transaction=True)
def test_a_look_ends_with_its_worker_and_leaves_no_thread() -> None:
    names = set(chores.all_chores()) - {CHORE}
    kept = {name: chores.all_chores()[name] for name in names}
    for name in names:
        chores.unregister(name)
    try:
        with silent_listener() as silent:
            declared("away", silent)
            runner = ChoreRunner("w1", look_seconds=0.02)
            runner.start()
            wait_for(probers, 5, "the look has begun")
            begin = time.monotonic()
            runner.end(grace_seconds=4.0)
            assert time.monotonic() - begin < 2
        wait_for(lambda: not probers(), 2, "no thread is left")
    finally:
        for chore in kept.values():
            chores.register(chore)
    assert Workstation.objects.get().status == "unknown", "What was broken off says nothing."


def test_want_of_files_on_this_machine_is_nobodys_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with answering() as (port, _):
        prober = Prober([Target(1, "127.0.0.1", port, after=0.5)])
        prober.start()
        time.sleep(0.2)  # its loop has its files by then, and connects after that
        open_files = len(list(Path("/proc/self/fd").iterdir()))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files - 1, hard))
            prober.join(10)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert prober.findings.get() is None
    assert prober.not_judged == 1
