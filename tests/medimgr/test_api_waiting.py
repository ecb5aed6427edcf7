"""``Prefer: wait=10``: the answer to an action comes once it has ended; meanwhile nothing is held."""

import asyncio
import socket
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from medimgr.api_waiting import prefers_to_wait
from medimgr.lib.preferences import wait_seconds
from operations import following
from operations.following import wait_for_operation
from operations.models import Batch, Operation
from operations.states import Status
from operations.transitions import Change, change, ending
from tests.api import client_of, post
from tests.events.sessions import log_in
from tests.factories import make_service
from tests.medimgr.worker_process import WorkerProcess
from tests.running import Instance, RunningProcess, free_port, wait_for
from workstations.models import Workstation


@dataclass
class Site:
    instance: Instance
    daphne: RunningProcess
    port: int
    cookies: dict[str, str]

    def client(self) -> httpx.Client:
        """Return a client that is logged in."""
        client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", cookies=self.cookies, timeout=40)
        client.headers["X-CSRFToken"] = self.cookies["csrftoken"]
        return client


@pytest.fixture
def site(instance: Instance) -> Site:
    """A Daphne with a service and a workstation, and an administrator; nobody who carries anything out."""
    with instance.database():
        user = User.objects.create(username="root", is_superuser=True, is_staff=True)
        cookies = {"sessionid": log_in(user), "csrftoken": "a" * 32}
        make_service("sleeper")
        Workstation.objects.create(name="pc-1", host="127.0.0.1", port=free_port())
        Workstation.objects.create(name="pc-2", host="127.0.0.1", port=free_port())
    port = free_port()
    return Site(instance, instance.daphne(port), port, cookies)


def end_soon(site: Site, pk: int, seconds: float = 0.3) -> threading.Thread:
    """End a waiting operation from elsewhere, after a while."""

    def end() -> None:
        time.sleep(seconds)  # while somebody waits
        with site.instance.database():
            change([Change(pk, {"status": Status.PENDING}, ending(Status.SUCCESS, "", ""))])

    thread = threading.Thread(target=end)
    thread.start()
    return thread


# --- what is asked for -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("WAIT = 5", 5),
        ('wait="7"', 7),
        ("respond-async, wait=3; why=so", 3),
        ("wait=2, wait=9", 2),
        ("wait=100000", 30),
        ("wait=0", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait", None),
        ("wait=" + "9" * 50, None),
        ("wait=\u0663", None),
        ("handling=lenient", None),
        ("", None),
    ],
)
def test_a_preference_that_means_nothing_is_no_error(header: str, seconds: int | None) -> None:
    assert wait_seconds(header) == seconds


def test_only_requests_to_the_api_that_ask_for_it_wait() -> None:
    asked = [(b"host", b"h"), (b"prefer", b"wait=4")]
    assert prefers_to_wait("/api/services/x/start", asked)
    assert not prefers_to_wait("/events/", asked)
    assert not prefers_to_wait("/api/services/x/start", [(b"host", b"h"), (b"prefer", b"respond-async")])


# --- against a real server -------------------------------------------------------------------------
@pytest.mark.both_databases
def test_an_action_answers_with_the_finished_operation(site: Site) -> None:
    worker = site.instance.start("run_operations")
    with site.client() as client:
        answer = client.delete("/api/operations/cleanup", headers={"Prefer": "wait=20"})
        assert answer.status_code == 200, (answer.text, worker.output())
        assert answer.headers["Preference-Applied"] == "wait=20"
        operation = answer.json()["operation"]
        assert (operation["status"], operation["kind"]) == ("SUCCESS", "operations.purge")
        assert answer.headers["Location"] == f"/api/operations/{operation['id']}"
        assert client.get(answer.headers["Location"]).json() == operation


def test_when_the_time_is_over_it_says_how_far_it_is_and_can_be_waited_for_again(site: Site) -> None:
    with site.client() as client:
        began = time.monotonic()
        answer = client.post("/api/services/sleeper/start", headers={"Prefer": "wait=1"})
        assert 1 <= time.monotonic() - began < 5
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=1")
        operation = answer.json()["operation"]
        assert operation["status"] == "PENDING"
        ends = end_soon(site, operation["id"])
        began = time.monotonic()
        later = client.get(answer.headers["Location"], headers={"Prefer": "wait=20"})
        assert time.monotonic() - began < 10, "It did not hear of the end."
        ends.join()
        assert later.status_code == 200
        assert later.json()["status"] == "SUCCESS"
        assert later.headers["ETag"]


@pytest.mark.both_databases
def test_a_batch_is_waited_for_as_a_whole(site: Site) -> None:
    with site.instance.database():
        ids = list(Workstation.objects.values_list("pk", flat=True))
    site.instance.start("run_operations")
    with site.client() as client:
        answer = client.post(
            "/api/workstations/batch-test-connection",
            json={"workstations": ids},
            headers={"Prefer": "wait=25"},
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["state"]["done"], body["state"]["total"]) == (2, 2)
        assert body["state"]["finished_at"]
        assert {row["status"] for row in body["operations"]} <= {"FAILED", "SUCCESS"}
        assert len(body["operations"]) == 2
        assert answer.headers["Location"] == f"/api/operations/batches/{body['batch']}"
        again = client.get(answer.headers["Location"], headers={"Prefer": "wait=25"})
        assert again.json() == body["state"]


def test_many_who_wait_take_no_thread_each_and_hold_up_nobody(site: Site) -> None:
    process = psutil.Process(site.daphne.pid)
    with site.client() as client:
        pk = client.post("/api/services/sleeper/start").json()["operation"]["id"]
        client.get(f"/api/operations/{pk}", headers={"Prefer": "wait=1"})
        before = process.num_threads()
        waiting = [ask_and_wait(site.port, site.cookies, pk) for _ in range(40)]
        try:
            wait_for(lambda: established(process) >= 40, 10, "all of them have come in")
            client.get("/api/services").raise_for_status()  # behind them in the line, if there were one
            assert process.num_threads() <= before + 8
            end_soon(site, pk, 0).join()
            for one in waiting:
                assert one.recv(4096).startswith(b"HTTP/1.1 200"), "It was not told."
        finally:
            for one in waiting:
                one.close()


def test_who_goes_away_leaves_nothing_behind(site: Site) -> None:
    process = psutil.Process(site.daphne.pid)
    with site.client() as client:
        pk = client.post("/api/services/sleeper/start").json()["operation"]["id"]
        for _ in range(20):
            ask_and_wait(site.port, site.cookies, pk).close()
        wait_for(lambda: established(process) <= 1, 10, "they are gone")
        end_soon(site, pk, 0).join()
        assert client.get(f"/api/operations/{pk}").json()["status"] == "SUCCESS"
    assert site.daphne.stop() in {0, -15}
    assert "Traceback" not in site.daphne.output()
    assert "Task was destroyed" not in site.daphne.output()


def test_a_server_that_ends_tells_those_who_wait_how_far_it_is(instance: Instance) -> None:
    with instance.database():
        user = User.objects.create(username="root", is_superuser=True, is_staff=True)
        cookies = {"sessionid": log_in(user), "csrftoken": "a" * 32}
        make_service("sleeper")
    with closing(WorkerProcess(instance, DJANGO_SETTINGS_MODULE="medimgr.settings").ready()) as worker:
        headers = {"X-CSRFToken": "a" * 32}
        with httpx.Client(base_url=worker.url("/api"), cookies=cookies, headers=headers) as client:
            pk = client.post("/services/sleeper/start").json()["operation"]["id"]
        with ask_and_wait(worker.port, cookies, pk) as one:
            time.sleep(0.5)  # it has come in by then; otherwise it is answered all the same
            began = time.monotonic()
            worker.terminate()
            answer = one.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            assert b'"PENDING"' in answer
        assert worker.wait(10) == 0, worker.said()
        assert time.monotonic() - began < 8


def ask_and_wait(port: int, cookies: dict[str, str], pk: int) -> socket.socket:
    """Ask for an operation as it is once it has ended, and do not read the answer."""
    one = socket.create_connection(("127.0.0.1", port), timeout=20)
    lines = [
        f"GET /api/operations/{pk} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Cookie: sessionid={cookies['sessionid']}",
        "Prefer: wait=30",
    ]
    one.sendall("\r\n".join([*lines, "", ""]).encode())
    return one


def established(process: psutil.Process) -> int:
    return sum(
        one.status == psutil.CONN_ESTABLISHED and bool(one.raddr) for one in process.net_connections("tcp")
    )


# --- how it waits ----------------------------------------------------------------------------------
class Ears:
    """Somebody who tells of events, as the broadcaster does."""

    is_closing = False

    def __init__(self) -> None:
        self.heed: Any = None

    def listening(self, topic: str, key: str, heed: Any) -> Any:
        ears = self

        class Block:
            def __enter__(self) -> None:
                ears.heed = heed

            def __exit__(self, *_: object) -> None:
                ears.heed = None

        assert topic == "operation"
        return Block()


@pytest.fixture
def pending(db: None, alice: User) -> Operation:
    make_service("sleeper")
    answer = post(client_of(alice), "/api/services/sleeper/start")
    return Operation.objects.get(pk=answer.json()["operation"]["id"])


@pytest.mark.django_db(transaction=True)
async def test_it_asks_the_database_once_before_and_once_after(pending: Operation) -> None:
    ears = Ears()
    looks: list[int] = []
    real = following.look_at_operation

    def counted(pk: int) -> Any:
        looks.append(pk)
        return real(pk)

    following.look_at_operation = counted
    try:
        waiting = asyncio.ensure_future(wait_for_operation(pending.pk, 20, ears))
        while not looks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the waiting itself
        await asyncio.sleep(0.5)  # in which it is to do nothing
        ears.heed({"status": "RUNNING"})
        await asyncio.sleep(0.05)  # in which it could look again, and must not
        assert len(looks) == 1
        await Operation.objects.filter(pk=pending.pk).aupdate(
            status="SUCCESS", finished_at=pending.created_at
        )
        ears.heed({"status": "SUCCESS"})
        seen = await waiting
    finally:
        following.look_at_operation = real
    assert seen is not None
    assert seen.ended
    assert len(looks) == 2
    assert ears.heed is None, "It listens on."


@pytest.mark.django_db(transaction=True)
async def test_cancelling_it_stops_listening(pending: Operation) -> None:
    ears = Ears()
    waiting = asyncio.ensure_future(wait_for_operation(pending.pk, 20, ears))
    while ears.heed is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # the waiting itself
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ears.heed is None


@pytest.mark.django_db(transaction=True)
async def test_an_operation_that_is_purged_meanwhile_is_no_error(pending: Operation) -> None:
    await Operation.objects.filter(pk=pending.pk).adelete()
    assert await wait_for_operation(pending.pk, 20, Ears()) is None


@pytest.mark.django_db
def test_without_a_server_of_ours_it_still_waits(alice: User) -> None:
    make_service("sleeper")
    began = time.monotonic()
    answer = post(client_of(alice), "/api/services/sleeper/start", **{"Prefer": "wait=1"})
    assert time.monotonic() - began >= 1
    assert (answer.status_code, answer["Preference-Applied"]) == (202, "wait=1")


@pytest.mark.django_db
def test_who_does_not_ask_is_answered_at_once(alice: User) -> None:
    make_service("sleeper")
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        answer = post(client_of(alice), "/api/services/sleeper/start")
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer
    number = answer.json()["operation"]["id"]
    assert answer["Location"] == f"/api/operations/{number}"
    assert sum("operations_operation" in query["sql"] and "SELECT" in query["sql"] for query in queries) <= 2
    assert not Batch.objects.exists()
