"""Web workers are replaced without a refused connection, a failed request, or a lost or doubled event."""

import http.client
import os
import signal
import socket
import threading
import time

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from medimgr.events.log import publish
from medimgr.events.models import Event
from monitoring.models import Service, Transition
from monitoring.supervisor.ports import listening_inodes
from tests.events.sessions import log_in
from tests.events.stream_client import StreamClient
from tests.monitoring.supervision.ward import Ward
from tests.running import Instance, RunningProcess, free_port

RECYCLES = 3


def up(ward: Ward, port: int, *arguments: str, **variables: str) -> RunningProcess:
    process = ward.instance.start("up", "--bind", f"127.0.0.1:{port}", *arguments, **variables)
    ward.supervisor = process
    ward.wait(lambda: "medimgr is up" in process.output() or not process.alive, "it is up", timeout=60)
    assert process.alive, process.output()
    return process


class Hammer(threading.Thread):
    """Asks for /healthz over and over, on kept connections or with a new one each time."""

    def __init__(self, port: int, *, keep: bool) -> None:
        super().__init__()
        self._port = port
        self._keep = keep
        self.done = threading.Event()
        self.asked = 0
        self.failed: list[str] = []
        self.longest = 0.0

    def run(self) -> None:
        kept = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self.done.is_set():
            began = time.monotonic()
            try:
                # It connects again by itself where the last answer has said Connection: close.
                kept.request("GET", "/healthz")
                answer = kept.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                kept.close()
            if not self._keep:
                kept.close()
            self.asked += 1
            self.longest = max(self.longest, time.monotonic() - began)
            time.sleep(0.01)
        kept.close()


class Watcher(threading.Thread):
    """Follows one topic as a page does: after a bye it comes back with the last id that it has seen."""

    def __init__(self, port: int, session: str) -> None:
        super().__init__()
        self._port, self._session = port, session
        self.done = threading.Event()
        self.seen: list[int] = []
        self.byes: list[str] = []
        self.trouble: list[str] = []
        self.open = threading.Event()

    def run(self) -> None:
        last = ""
        while not self.done.is_set():
            headers = {"Last-Event-ID": last} if last else {}
            with StreamClient(self._port, self._session, headers, topics="service") as stream:
                status, _ = stream.answer(30)
                if status != 200:
                    self.trouble.append(f"answered {status}")
                    time.sleep(0.2)
                    continue
                last = self._follow(stream) or last

    def _follow(self, stream: StreamClient) -> str:
        while not self.done.is_set():
            try:
                message = stream.next(timeout=0.5)
            except AssertionError as error:
                if "has ended" in str(error):
                    self.trouble.append("ended without a bye")
                    break
                continue
            except ConnectionResetError:
                self.trouble.append("cut off")
                break
            self.open.set()
            if message.name == "bye":
                self.byes.append(message.data["reason"])
                break
            if message.name == "reset":
                self.trouble.append("reset")
            if message.name == "service" and "number" in message.data:
                self.seen.append(message.data["number"])
        return stream.last_event_id


class Publisher(threading.Thread):
    """Publishes a numbered sequence."""

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self._instance = instance
        self.done = threading.Event()
        self.count = 0

    def run(self) -> None:
        with self._instance.database():
            while not self.done.is_set():
                with transaction.atomic():
                    publish("service", "numbered", {"number": self.count})
                self.count += 1
                time.sleep(0.02)


def recycles() -> int:
    left = Transition.objects.filter(service__key__startswith="medimgr-web-", to_state="STOPPING")
    return left.filter(reason="max-age").count()


@pytest.mark.parametrize("workers", [1, 2])
def test_three_recycles_refuse_no_connection_and_lose_no_event(ward: Ward, workers: int) -> None:
    port = free_port()
    up(ward, port, "--workers", str(workers), MEDIMGR_WEB_MAX_AGE_SECONDS="4")
    session = log_in(User.objects.create_user("watcher", is_staff=True, is_superuser=True))
    hammers = [Hammer(port, keep=True), Hammer(port, keep=False)]
    watcher, publisher = Watcher(port, session), Publisher(ward.instance)
    watcher.start()
    assert watcher.open.wait(10)
    publisher.start()
    for hammer in hammers:
        hammer.start()
    ward.wait(lambda: recycles() >= RECYCLES, f"{RECYCLES} recycles", timeout=60)
    webs = Service.objects.filter(key__startswith="medimgr-web-")
    ward.wait(lambda: {ward.status(one).state for one in webs} == {"RUNNING"}, "all are back", timeout=30)
    for hammer in hammers:
        hammer.done.set()
        hammer.join(40)
    publisher.done.set()
    publisher.join(10)
    ward.wait(lambda: watcher.seen[-1:] == [publisher.count - 1] or not watcher.is_alive(), "all is seen", 20)
    watcher.done.set()
    watcher.join(20)
    for hammer in hammers:
        assert hammer.failed == []
        assert hammer.asked > 100
    assert watcher.trouble == []
    assert watcher.seen == list(range(publisher.count)), "each event once, in order"
    assert watcher.byes
    assert set(watcher.byes) == {"shutdown"}
    if workers == 2:
        assert max(hammer.longest for hammer in hammers) < 3, "the other one serves meanwhile"
    assert {ward.status(one).flapping for one in webs} == {False}
    assert Event.objects.filter(topic="service", key="numbered").count() == publisher.count


def test_web_workers_that_were_taken_over_hand_their_socket_on(ward: Ward) -> None:
    port = free_port()
    up(ward, port)
    (inode,) = listening_inodes(port)
    ward.kill_supervisor()
    up(ward, port)
    hammer = Hammer(port, keep=False)
    hammer.start()
    web = Service.objects.get(key="medimgr-web-1")
    old = ward.reaches(web, "RUNNING", reason="adopted").pid
    # The only process that listens is replaced, while connections come in.
    assert ward.act(web, "restart", timeout=30).status == "SUCCESS"
    ward.comes_back(web, old)
    hammer.done.set()
    hammer.join(40)
    assert hammer.failed == []
    assert list(listening_inodes(port)) == [inode]


def test_a_worker_whose_loop_hangs_is_found_although_its_sibling_answers(ward: Ward) -> None:
    port = free_port()
    up(ward, port, "--workers", "2", DJANGO_SETTINGS_MODULE="tests.medimgr.slow_settings")
    webs = list(Service.objects.filter(key__startswith="medimgr-web-").order_by("key"))
    for web in webs:
        ward.reaches(web, "RUNNING", health="healthy")
        web.health_silence_seconds = 5.0
        web.save()
    pids = {web.key: ward.status(web).pid for web in webs}
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as stuck:
        stuck.sendall(b"GET /slow/blocking/?seconds=120 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        hammer = Hammer(port, keep=False)
        hammer.start()
        ward.wait(lambda: any(ward.status(web).restarts for web in webs), "one is restarted", 30)
        assert time.monotonic() - began < 15
        (hung,) = [web for web in webs if ward.status(web).restarts]
        (other,) = [web for web in webs if web.pk != hung.pk]
        status = ward.comes_back(hung, pids[hung.key], 30)
        assert status.reason in {"hung", "unhealthy"}
        assert "The event loop hangs" in ward.log(hung)
        assert "slow_urls.py" in ward.log(hung), "the log names where"
    assert ward.status(other).pid == pids[other.key]
    # Stopped altogether (SIGSTOP), it cannot even be told to end.
    os.kill(pids[other.key] or 0, signal.SIGSTOP)
    assert ward.comes_back(other, pids[other.key], 30).reason in {"hung", "unhealthy"}
    hammer.done.set()
    hammer.join(60)


def test_requests_are_counted_and_a_worker_replaced_after_so_many(ward: Ward) -> None:
    port = free_port()
    up(ward, port, MEDIMGR_WEB_MAX_REQUESTS="40")
    web = Service.objects.get(key="medimgr-web-1")
    pid = ward.reaches(web, "RUNNING").pid
    hammer = Hammer(port, keep=True)
    hammer.start()
    status = ward.comes_back(web, pid, 30)
    assert status.reason == "max-requests"
    assert status.detail.endswith("requests of 40")
    hammer.done.set()
    hammer.join(40)
    assert hammer.failed == []


def test_a_worker_that_grows_is_replaced(ward: Ward) -> None:
    port = free_port()
    up(ward, port, MEDIMGR_WEB_MAX_MEMORY_MB="250", DJANGO_SETTINGS_MODULE="tests.medimgr.slow_settings")
    web = Service.objects.get(key="medimgr-web-1")
    pid = ward.reaches(web, "RUNNING").pid
    answer = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answer.request("GET", "/slow/growing/?mb=300")
    assert answer.getresponse().read() == b"kept"
    answer.close()
    status = ward.comes_back(web, pid, 30)
    assert (status.reason, status.restarts) == ("memory", 1)
    assert status.detail.endswith("MB of 250 MB")
