"""Streams as a browser gets them from a real Daphne: what arrives, and what is left when it leaves."""

import os
import random
import threading
import time
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F

from medimgr.events.log import publish
from medimgr.events.models import Connection, Event
from monitoring.models import Service
from tests.events.conftest import HEARTBEAT, Site
from tests.events.outage import outage
from tests.events.stream_client import StreamClient
from tests.factories import make_service

pytestmark = pytest.mark.both_databases


# --- what arrives ----------------------------------------------------------------------------------


def test_a_stream_greets_and_then_brings_events_in_order(site: Site) -> None:
    newest = site.publish("service", "before")
    with site.open(topics="service,node", page="/monitoring/") as stream:
        assert stream.hello["topics"] == ["node", "service"]
        assert stream.hello["heartbeat_seconds"] == HEARTBEAT
        assert stream.hello["last_event_id"] >= newest
        ids = [site.publish("service", f"k{number}", {"n": number}) for number in range(5)]
        got = [stream.next("service", "node") for _ in ids]
        assert [int(message.id) for message in got] == ids
        assert [message.data for message in got] == [{"n": n, "key": f"k{n}"} for n in range(5)]
        assert stream.next("heartbeat").data["database"] == "ok"


def test_nothing_between_server_and_browser_may_hold_a_stream_back(site: Site) -> None:
    with site.connect() as stream:
        status, headers = stream.answer()
    assert status == 200
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert headers["content-encoding"] == "identity"


def test_only_the_topics_asked_for_arrive(site: Site) -> None:
    with site.open(topics="node") as stream:
        site.publish("service", "k")
        wanted = site.publish("node", "n")
        assert int(stream.next("service", "node").id) == wanted


def test_measurements_come_whole_at_first_and_then_what_changed(site: Site) -> None:
    site.tick("n1", {"a": [1.0, 10.0], "b": [2.0, 20.0]})
    with site.open() as stream:
        site.instance.wait_for(
            lambda: stream.next("tick").data["services"] == {"a": [1.0, 10.0], "b": [2.0, 20.0]},
            5,
            "all of it",
        )
        site.tick("n1", {"a": [1.0, 10.0], "b": [3.0, 20.0]})
        tick = stream.next("tick").data
        assert (tick["node"], tick["services"]) == ("n1", {"b": [3.0, 20.0]})


def test_a_client_that_reconnects_misses_nothing_and_hears_nothing_twice(site: Site) -> None:
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    published: list[int] = []
    guard = threading.Lock()

    def write(number: int) -> None:
        with site.instance.database():
            dice = random.Random(seed + number)
            for step in range(40):
                with transaction.atomic():
                    time.sleep(dice.uniform(0, 0.004))
                    publish("service", f"{number}/{step}", {})
                    mine = Event.objects.get(topic="service", key=f"{number}/{step}", data={}).pk
                with guard:
                    published.append(mine)

    session = site.operator()
    start = site.publish("service", "start")
    got: list[int] = []
    writers = [threading.Thread(target=write, args=[number]) for number in range(3)]
    for writer in writers:
        writer.start()
    last = str(start)
    while any(writer.is_alive() for writer in writers) or len(got) < len(published):
        header = chance.random() < 0.5
        query: dict[str, Any] = {} if header else {"last_event_id": last}
        headers = {"Last-Event-ID": last} if header else {}
        with StreamClient(site.ports[0], session, headers, topics="service", **query) as stream:
            stream.start()
            for _ in range(chance.randint(0, 12)):
                message = stream.next("service", "heartbeat", "reset")
                assert message.name != "reset", f"seed {seed}"
                if message.name == "service":
                    got.append(int(message.id))
                    last = message.id
            if chance.random() < 0.3:
                stream.abort()
    for writer in writers:
        writer.join()
    assert got == sorted(published), f"seed {seed}"


def test_who_missed_what_is_no_longer_there_is_told_to_start_over(site: Site) -> None:
    newest = site.publish("service", "k")
    for unknown in (str(newest + 1000), "garbage"):
        with site.open(last_event_id=unknown) as stream:
            assert stream.next().name == "reset"
            assert stream.hello["last_event_id"] >= newest
            assert int(stream.next("service").id if site.publish("service", "k") else 0) > newest


# --- the door --------------------------------------------------------------------------------------


def refusal(stream: StreamClient) -> dict[str, object]:
    with stream:
        status, headers = stream.answer()
        answer = httpx.Response(status, headers=headers, content=stream._raw)
    assert headers["content-type"] == "application/problem+json"
    document = {"status": status, "retry_after": headers.get("retry-after"), **answer.json()}
    assert document.pop("request_id") == headers["x-request-id"]
    return document


def test_strangers_are_told_to_sign_in_without_a_redirect(site: Site) -> None:
    stranger = StreamClient(site.ports[0], "no-such-session", topics="service")
    assert refusal(stranger) | {"status": 401, "code": "not-logged-in"} == refusal(
        StreamClient(site.ports[0], topics="service")
    )


def test_a_topic_that_one_may_not_see_is_refused_and_the_others_with_it(site: Site) -> None:
    viewer = site.person("viewer", "view_service")
    refused = refusal(site.connect(viewer, topics="service,connection"))
    assert (refused["status"], refused["code"]) == (403, "not-permitted")
    assert "events.view_connection" in str(refused["detail"])
    assert site.rows() == 0


def test_without_a_list_of_topics_one_gets_what_one_may_see(site: Site) -> None:
    viewer = site.person("viewer", "view_service")
    with StreamClient(site.ports[0], viewer).start() as stream:
        assert stream.hello["topics"] == ["service"]
        site.publish("operation", "1")
        site.publish("connection", "none")
        seen = site.publish("service", "k")
        assert int(stream.next("operation", "connection", "service").id) == seen


def test_unknown_topics_are_named(site: Site) -> None:
    refused = refusal(site.connect(topics="service,weather"))
    assert (refused["status"], refused["code"]) == (400, "unknown-topic")
    assert "weather" in str(refused["detail"])


# --- leaving ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_a_tab_that_goes_takes_its_row_along_within_two_seconds(site: Site, leave: str) -> None:
    streams = [site.open() for _ in range(5)]
    assert site.rows() == 5
    for stream in streams[:4]:
        getattr(stream, leave)()
    site.wait_for_rows(1, 2)
    assert site.last_fact() | {"connected": False, "total": 1, "reason": "closed"} == site.last_fact()
    streams[4].close()


def test_who_watches_connections_sees_others_come_and_go(site: Site) -> None:
    with site.open(topics="connection") as monitor:
        with site.open(page="/monitoring/services/x/") as other:
            came = monitor.next("connection").data
            assert came["key"] == str(other.hello["connection"])
            assert (came["connected"], came["total"], came["page"]) == (True, 2, "/monitoring/services/x/")
        left = monitor.next("connection").data
        assert (left["key"], left["connected"], left["total"]) == (came["key"], False, 1)


@pytest.mark.parametrize("form", ["form", "multipart", "text", "bare"])
def test_a_page_says_goodbye_and_its_stream_ends(site: Site, form: str) -> None:
    url = f"http://127.0.0.1:{site.ports[0]}/events/disconnect/"
    with site.open() as stream:
        token = stream.hello["connection_id"]
        bodies: dict[str, dict[str, Any]] = {
            "form": {"data": {"connection_id": token}},
            "multipart": {"files": {"connection_id": (None, token)}},
            "text": {"content": f"connection_id={token}"},
            "bare": {"content": token},
        }
        for _ in range(2):  # a beacon may come twice
            assert httpx.post(url, **bodies[form]).status_code == 204
            assert site.rows() == 0
        assert stream.until_end()[-1].name == "bye"
    assert site.last_fact()["reason"] == "beacon"


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"content": os.urandom(5000)},
        {"content": b"x" * 3_000_000},
        {"data": {"connection_id": "\0" * 20}},
        {"data": {"connection_id": "not-a-connection"}},
        {"files": {"connection_id": ("name", b"a file")}},
        {"content": b"a=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"content": b"\xff", "headers": [(b"Content-Type", b"text/plain;charset=\xfc")]},
    ],
    ids=range(8),
)
def test_no_goodbye_is_too_strange_to_be_answered(site: Site, garbage: dict[str, Any]) -> None:
    with site.open():
        answer = httpx.post(f"http://127.0.0.1:{site.ports[0]}/events/disconnect/", **garbage)
        assert answer.status_code == 204
        assert site.rows() == 1


def test_a_stream_whose_row_was_removed_elsewhere_ends_as_kicked(site: Site) -> None:
    with site.open() as stream:
        with site.instance.database(), transaction.atomic():
            row = Connection.objects.get(token=stream.hello["connection_id"])
            publish(
                "connection", str(row.pk), {"id": row.pk, "connected": False, "total": 0, "reason": "kicked"}
            )
            row.delete()
        assert stream.next("bye", timeout=2).data["reason"] == "kicked"
        stream.until_end()


# --- the end of a session --------------------------------------------------------------------------


def test_a_logout_ends_the_stream_within_a_heartbeat(site: Site) -> None:
    session = site.operator()
    with site.open(session) as stream, site.open() as other:
        stream.next("heartbeat")
        with site.instance.database():
            Session.objects.filter(session_key=session).delete()
        assert stream.next("bye", timeout=2 * HEARTBEAT + 1).data["reason"] == "session-ended"
        stream.until_end()
        other.next("heartbeat")
        other.next("heartbeat")
    site.wait_for_rows(0, 2)


def test_a_withdrawn_permission_ends_the_stream(site: Site) -> None:
    viewer = site.person("soon-blind", "view_service", "view_node")
    with site.open(viewer, topics="service,node") as stream:
        with site.instance.database():
            user = User.objects.get(username="soon-blind")
            user.user_permissions.remove(Permission.objects.get(codename="view_node"))
        assert stream.next("bye", timeout=2 * HEARTBEAT + 1).data["reason"] == "session-ended"


# --- what it costs ---------------------------------------------------------------------------------


def threads_and_descriptors(pid: int) -> tuple[int, list[str]]:
    descriptors = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            descriptors.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
    return len(os.listdir(f"/proc/{pid}/task")), descriptors


def test_twenty_streams_hold_no_thread_and_no_database_connection(site: Site) -> None:
    pid = site.workers[0].pid
    with site.open():
        site.wait_for_rows(1, 2)
    base_threads, base = threads_and_descriptors(pid)
    streams = [site.open() for _ in range(20)]
    threads, held = threads_and_descriptors(pid)
    assert threads <= base_threads + 8
    database_files = [name for name in held if "sqlite3" in name]
    # Two connections of the reader, one of housekeeping and of the admission each: database, log and, where
    # mapped, shared memory.
    assert len(database_files) <= 12, database_files
    # On PostgreSQL connections are sockets: 20 streams and a few, not 40.
    assert len(held) <= len(base) + 20 + 4
    for stream in streams:
        stream.close()
    site.wait_for_rows(0, 2)
    site.instance.wait_for(
        lambda: len(threads_and_descriptors(pid)[1]) <= len(base) + 2, 5, "the descriptors are given back"
    )


def test_what_was_sent_is_in_the_row(site: Site) -> None:
    with site.open() as stream:
        for number in range(3):
            site.publish("service", str(number))
            stream.next("service")
        with site.instance.database():
            site.instance.wait_for(
                lambda: Connection.objects.get().events_sent == 3, 10, "three events are counted"
            )
            assert Connection.objects.get().bytes_sent > 200
            site.instance.wait_for(
                lambda: Connection.objects.filter(last_ping_at__gt=F("connected_at")).exists(),
                5,
                "the next heartbeat is noted",
            )


# --- trouble ---------------------------------------------------------------------------------------


def test_streams_stay_open_while_the_database_is_away(site: Site) -> None:
    with site.open() as stream:
        before = site.publish("service", "before")
        assert int(stream.next("service").id) == before
        with outage(site.instance.database_url):
            site.instance.wait_for(
                lambda: stream.next("heartbeat").data["database"] == "away", 5, "the heartbeat says so"
            )
        after = site.publish("service", "after")
        assert int(stream.next("service").id) == after
        # Whoever admits streams has a connection from before the outage.
        with site.open() as another:
            assert another.hello["last_event_id"] >= after
        assert stream.next("heartbeat").data["database"] == "ok"


# --- a log beside the events -----------------------------------------------------------------------


def test_a_log_rides_on_the_stream_of_a_page(site: Site) -> None:
    with site.instance.database():
        make_service("talker")
    log = site.instance.data_dir / "logs" / "talker.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("before\n")
    with site.open(log="talker") as stream:
        first = stream.next("log").data
        assert (first["service"], first["lines"], first["offset"]) == ("talker", ["before"], 7)
        with log.open("a") as file:
            file.write("after\n")
        site.publish("service", "k")
        got = {
            message.name: message
            for message in (stream.next("log", "service"), stream.next("log", "service"))
        }
        assert got["log"].data["lines"] == ["after"]
        assert got["service"].data["key"] == "k"
        following = {"log_offset": got["log"].data["offset"], "log_inode": first["inode"]}
    with site.open(log="talker", **following) as stream:
        assert stream.next("log").data["lines"] == []
    site.wait_for_rows(0, 2)


def test_a_log_needs_a_permission_of_its_own_and_a_service(site: Site) -> None:
    viewer = site.person("looks-only", "view_service")
    assert refusal(site.connect(viewer, log="talker"))["status"] == 403
    assert refusal(site.connect(log="no-such-service"))["code"] == "unknown-service"


def test_who_may_no_longer_read_logs_loses_the_stream(site: Site) -> None:
    session = site.person("log-reader", "view_service", "tail_service")
    with site.instance.database():
        Service.objects.filter(key="talker").exists() or make_service("talker")
    with site.open(session, log="talker") as stream:
        with site.instance.database():
            user = User.objects.get(username="log-reader")
            user.user_permissions.remove(Permission.objects.get(codename="tail_service"))
        assert stream.next("bye", timeout=2 * HEARTBEAT + 1).data["reason"] == "session-ended"
