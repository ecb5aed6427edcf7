"""The rows of open streams: exact limits, exact totals, and none left of a dead worker."""

import os
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from medimgr.events import connections, housekeeping, unseen_workers
from medimgr.events.connections import Arrival, forget_dead_workers, forget_worker, give_back
from medimgr.events.exceptions import TooManyStreams
from medimgr.events.figures import Figures
from medimgr.events.housekeeping import Checkup, Housekeeping
from medimgr.events.ledger import Ledger
from medimgr.events.models import Connection, Event, StreamWorker, new_token
from medimgr.events.opening import Listener
from medimgr.events.subscription import End
from medimgr.events.traffic import Sent
from medimgr.lib.process_identity import pid_space, start_ticks
from tests.events.arriving import take_place

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def arrival(user: User, address: str = "192.0.2.1", token: str = "") -> Arrival:
    return Arrival(
        token=token or new_token(), user=user, address=address, page="/monitoring/", topics=["node"]
    )


def facts() -> list[dict[str, Any]]:
    return list(Event.objects.filter(topic="connection").order_by("id").values_list("data", flat=True))


def worker(**fields: Any) -> StreamWorker:
    values = {
        "node": "elsewhere",
        "pid": 4711,
        "start_ticks": 1,
        "started_at": timezone.now(),
        "seen_at": timezone.now(),
        **fields,
    }
    return StreamWorker.objects.create(**values)


def streams_of(held_by: StreamWorker, user: User, count: int = 2) -> None:
    now = timezone.now()
    for _ in range(count):
        Connection.objects.create(
            worker=held_by, user=user, address="192.0.2.9", connected_at=now, last_ping_at=now
        )


def test_a_stream_is_a_row_and_an_event_while_it_lasts(alice: User) -> None:
    one, two = arrival(alice), arrival(alice)
    first, second = take_place(one), take_place(two)
    row = Connection.objects.get(pk=first)
    assert (row.user, row.page, row.topics, row.worker.pid) == (alice, "/monitoring/", ["node"], os.getpid())
    assert give_back({one.token: End.BEACON}) == 1
    assert [(f["id"], f["connected"], f["total"]) for f in facts()] == [
        (first, True, 1),
        (second, True, 2),
        (first, False, 1),
    ]
    assert facts()[-1] | {"reason": "beacon", "user": "alice", "page": "/monitoring/"} == facts()[-1]


def test_the_secret_of_a_connection_is_in_no_event(alice: User) -> None:
    coming = arrival(alice)
    take_place(coming)
    give_back({coming.token: End.CLOSED})
    assert all(coming.token not in str(fact) for fact in facts())


def test_giving_a_place_back_twice_is_as_good_as_once(alice: User) -> None:
    coming = arrival(alice)
    take_place(coming)
    assert give_back({coming.token: End.CLOSED, "never-was": End.CLOSED}) == 1
    assert give_back({coming.token: End.CLOSED}) == 0
    assert len(facts()) == 2


def test_one_address_has_so_many_places_and_another_has_its_own(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 2
    here = [arrival(alice), arrival(alice)]
    for coming in here:
        take_place(coming)
    with pytest.raises(TooManyStreams, match=r"2 streams .* 192\.0\.2\.1") as refused:
        take_place(arrival(alice))
    assert (refused.value.status, refused.value.retry_after) == (429, 15)
    take_place(arrival(alice, "192.0.2.2"))
    give_back({here[0].token: End.CLOSED})
    take_place(arrival(alice))


def test_the_installation_has_so_many_places(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_STREAM_MAX_CONNECTIONS = 2
    for number in range(2):
        take_place(arrival(alice, f"192.0.2.{number}"))
    with pytest.raises(TooManyStreams, match="MEDIMGR_STREAM_MAX_CONNECTIONS"):
        take_place(arrival(alice, "192.0.2.77"))
    assert Connection.objects.count() == 2


def test_the_dead_do_not_keep_the_living_out(
    alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen_workers, "WATCH_SECONDS", 0.0)
    settings.MEDIMGR_STREAM_MAX_CONNECTIONS = 2
    streams_of(worker(seen_at=timezone.now() - timedelta(seconds=16)), alice)
    take_place(arrival(alice))
    assert Connection.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_rush_gets_exactly_as_many_places_as_there_are(alice: User, settings: Settings) -> None:
    settings.MEDIMGR_STREAM_MAX_PER_ADDRESS = 5
    outcomes: Counter[str] = Counter()
    tokens = []
    start = threading.Barrier(12)

    def come() -> None:
        coming = arrival(alice)
        start.wait()
        try:
            take_place(coming)
            tokens.append(coming.token)
            outcomes["in"] += 1
        except TooManyStreams:
            outcomes["refused"] += 1
        finally:
            connection.close()

    def go(token: str) -> None:
        give_back({token: End.CLOSED})
        connection.close()

    run_together([threading.Thread(target=come) for _ in range(12)])
    assert outcomes == {"in": 5, "refused": 7}
    run_together([threading.Thread(target=go, args=[token]) for token in tokens])
    assert [fact["total"] for fact in facts()] == [1, 2, 3, 4, 5, 4, 3, 2, 1, 0]


def run_together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_heartbeat_that_finds_a_row_gone_ends_the_stream_for_the_reason_in_the_log(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    kicked, lost, forgotten = streams = [arrival(alice) for _ in range(3)]
    keys = [take_place(one) for one in streams]
    connections.kick(alice, source="api", pk=keys[0])
    give_back({lost.token: End.WORKER_LOST, forgotten.token: End.CLOSED})
    Event.objects.filter(key=str(keys[2])).update(at=timezone.now() - timedelta(minutes=6))
    monkeypatch.setattr(housekeeping, "no_longer_entitled", lambda _listeners: set())
    keeper = Housekeeping(lambda _ends: None, set, Sent, lambda: (), lambda _look: None)
    listener = Listener(alice.pk, "", "", frozenset())
    assert keeper._look_at(
        [Checkup(one.token, key, listener, 0, 0, 0) for one, key in zip(streams, keys, strict=True)]
    ) == {
        kicked.token: End.KICKED,
        lost.token: End.WORKER_LOST,
        forgotten.token: End.WORKER_LOST,
    }


def test_a_worker_not_seen_for_fifteen_seconds_is_dead(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = worker(seen_at=timezone.now() - timedelta(seconds=15.5))
    alive = worker(pid=4712, seen_at=timezone.now() - timedelta(seconds=14))
    streams_of(dead, alice)
    streams_of(alive, alice, 1)
    assert forget_dead_workers() == 0, "the database may have been away"
    monkeypatch.setattr(unseen_workers, "WATCH_SECONDS", 0.0)
    assert forget_dead_workers() == 2
    assert list(StreamWorker.objects.all()) == [alive]
    assert [(f["connected"], f["total"], f["reason"]) for f in facts()] == [
        (False, 2, "worker-lost"),
        (False, 1, "worker-lost"),
    ]
    assert forget_dead_workers() == 0


def test_a_worker_of_this_machine_is_dead_at_once_when_its_process_is(
    alice: User, settings: Settings
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = {"node": settings.MEDIMGR_NODE, "pid_space": pid_space()}
    child = worker(pid=process.pid, start_ticks=start_ticks(process.pid), **here)
    itself = worker(pid=os.getpid(), start_ticks=start_ticks(os.getpid()), **here)
    successor = worker(pid=os.getpid(), start_ticks=12, **here)  # this pid, but of an earlier process
    for held_by in (child, itself, successor):
        streams_of(held_by, alice, 1)
    assert forget_dead_workers() == 1
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie is as dead
    assert forget_dead_workers() == 1
    process.communicate()
    assert list(StreamWorker.objects.all()) == [itself]


def test_a_pid_of_another_container_says_nothing_about_this_machine(alice: User, settings: Settings) -> None:
    worker(node=settings.MEDIMGR_NODE, pid=2**22 + 1, pid_space="boot/pid:[1]")
    worker(node="elsewhere", pid=2**22 + 2, pid_space=pid_space())
    assert forget_dead_workers() == 0
    assert StreamWorker.objects.count() == 2


def test_the_supervisor_forgets_a_worker_that_it_saw_end(alice: User) -> None:
    gone = worker()
    streams_of(gone, alice)
    streams_of(worker(pid=5), alice, 1)
    assert forget_worker("elsewhere", 4711) == 2
    assert forget_worker("elsewhere", 4711) == 0
    assert Connection.objects.count() == 1


def test_a_lease_is_renewed_and_given_up(alice: User) -> None:
    own = Ledger(Figures())
    assert not connections.renew_lease(own, {})
    take_place(arrival(alice))
    StreamWorker.objects.update(seen_at=timezone.now() - timedelta(seconds=14))
    assert connections.renew_lease(own, {})
    (row,) = StreamWorker.objects.all()
    assert timezone.now() - row.seen_at < timedelta(seconds=5)
    connections.retire(own)
    assert not StreamWorker.objects.exists()
    assert not Connection.objects.exists()
    assert facts()[-1]["reason"] == "shutdown"


def test_what_was_sent_is_written_down(alice: User) -> None:
    keys = [take_place(arrival(alice)), take_place(arrival(alice))]
    at = timezone.now() + timedelta(seconds=30)
    connections.record_pings([(keys[0], 3, 900, 0), (keys[1], 4, 1000, 7), (987654, 1, 1, 1)], at)
    rows = Connection.objects.order_by("pk").values_list(
        "last_ping_at", "events_sent", "bytes_sent", "queued"
    )
    assert list(rows) == [(at, 3, 900, 0), (at, 4, 1000, 7)]


def test_progress_between_two_heartbeats_leaves_the_ping_as_it_is(alice: User) -> None:
    keys = [take_place(arrival(alice)) for _ in range(3)]
    pinged = Connection.objects.get(pk=keys[0]).last_ping_at
    connections.record_progress([])
    connections.record_progress([(keys[0], 3, 900, 0), (987654, 1, 1, 1), (keys[1], 2**40, 2**41, 7)])
    rows = Connection.objects.order_by("pk").values_list("events_sent", "bytes_sent", "queued")
    assert list(rows) == [(3, 900, 0), (2**40, 2**41, 7), (0, 0, 0)]
    assert Connection.objects.get(pk=keys[0]).last_ping_at == pinged


def test_places_of_a_user_go_with_the_user(alice: User) -> None:
    coming = arrival(alice)
    take_place(coming)
    alice.delete()
    assert give_back({coming.token: End.CLOSED}) == 0
