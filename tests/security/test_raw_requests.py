"""Bytes on the socket of a real web worker: two requests in one, hosts and addresses that lie, split answers.

Strange requests that only have to do no harm are in tests/events/test_odd_requests.py.
"""

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.medimgr.worker_process import WorkerProcess
from tests.running import Instance, wait_for

HEAD = "Host: 127.0.0.1\r\nConnection: close\r\n"
HIDDEN = "GET /hidden-by-smuggling HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = "POST /events/disconnect/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@dataclass
class Worker:
    """Where a real web worker listens, and the cookie of somebody who is logged in there."""

    port: int
    cookie: str
    said: Callable[[], str]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Worker]:
    """A web worker that believes no proxy."""
    with django_db_blocker.unblock():
        instance = Instance(tmp_path_factory.mktemp("raw"), DJANGO_ALLOWED_HOSTS="127.0.0.1")
        try:
            with instance.database():
                client = Client()
                client.force_login(User.objects.create_superuser("root"))
            process = WorkerProcess(instance, DJANGO_SETTINGS_MODULE="medimgr.settings")
            try:
                cookie = f"Cookie: sessionid={client.cookies['sessionid'].value}\r\n"
                yield Worker(process.ready().port, cookie, process.said)
            finally:
                process.close()
        finally:
            instance.close()


def told(worker: Worker, request: str) -> str:
    """Send ``request`` as it is, and return all that comes until the server ends or is silent."""
    wire = b""
    with socket.create_connection(("127.0.0.1", worker.port), 5) as client:
        client.settimeout(1)
        client.sendall(request.encode("latin-1"))
        try:
            while piece := client.recv(65536):
                wire += piece
        except (TimeoutError, ConnectionError):
            pass
    return wire.decode("latin-1")


def statuses(wire: str) -> list[int]:
    # An answer may begin in the line in which the body before it ends.
    return [int(found) for found in re.findall(r"HTTP/1\.[01] (\d{3}) ", wire)]


CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = {
    "length and chunks": f"{POST}Content-Length: {len(HIDDEN) + 5}\r\n{CHUNKED}0\r\n\r\n{HIDDEN}",
    "chunks and length": f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{HIDDEN}",
    "two lengths": f"{POST}Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "lengths in a list": f"{POST}Content-Length: 0, {len(HIDDEN)}\r\n\r\n{HIDDEN}",
    "a length with a sign": f"{POST}Content-Length: +0\r\n\r\n{HIDDEN}",
    "a length in hex": f"{POST}Content-Length: 0x0\r\n\r\n{HIDDEN}",
    "a blank before the colon": f"{POST}Content-Length : 0\r\nTransfer-Encoding : chunked\r\n\r\n{HIDDEN}",
    "chunked, hidden": f"{POST}Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{HIDDEN}",
    "chunked by another name": f"{POST}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "a folded header": f"{POST}Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{HIDDEN}",
    "bare line feeds": f"{POST}X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}",
    "a bare return": f"{POST}X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{HIDDEN}",
    "a chunk with a sign": f"{POST}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{HIDDEN}",
    "a chunk too long to count": f"{POST}Transfer-Encoding: chunked\r\n\r\n{'F' * 40}\r\n\r\n{HIDDEN}",
}
PLAIN = f"{POST}Content-Length: 0\r\n\r\n{HIDDEN}"


def test_two_honest_requests_get_two_answers(worker: Worker) -> None:
    assert statuses(told(worker, PLAIN)) == [204, 404]


def test_who_comes_behind_another_gets_nothing_of_his(worker: Worker) -> None:
    """On a connection that somebody in front shares among people."""
    first = f"GET /api/auth/me HTTP/1.1\r\nHost: 127.0.0.1\r\n{worker.cookie}\r\n"
    wire = told(worker, f"{first}GET /api/auth/me HTTP/1.1\r\n{HEAD}\r\n")
    assert statuses(wire) == [200, 401]
    ids = re.findall(r"(?im)^x-request-id: (\w+)", wire)
    assert len(set(ids)) == 2

    def line() -> str:
        said = [line for line in worker.said().splitlines() if ids[1] in line]
        return next((line for line in said if "medimgr.access" in line), "")

    assert "root" not in wait_for(line, 5, "the request is in the log")


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_may_be_read_in_two_ways_is_never_two_requests(worker: Worker, name: str) -> None:
    """One answer at most: somebody in front who counts otherwise would hand the second to someone else."""
    wire = told(worker, SMUGGLED[name])
    assert len(statuses(wire)) <= 1, wire
    assert all(status < 500 for status in statuses(wire)), wire


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1@evil.example", "127.0.0.1:80:80", "127.0.0.1, evil.example", "[::1", ""],
)
@pytest.mark.parametrize("path", ["/", "/login/", "/api/services", "/events/", "/admin/"])
def test_another_host_is_refused_and_named_nowhere(worker: Worker, host: str, path: str) -> None:
    wire = told(worker, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert statuses(wire) == [400], wire
    assert "evil.example" not in wire


def test_what_a_stranger_says_of_the_way_is_not_believed(worker: Worker) -> None:
    host = ("X-Forwarded-Host", "X-Host", "X-Forwarded-Server")
    lies = "".join(f"{name}: evil.example\r\n" for name in host)
    lies += (
        "Forwarded: host=evil.example;proto=https\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 444\r\n"
    )
    lies += "X-Forwarded-For: 10.9.8.7\r\nX-Real-IP: 10.9.8.7\r\nX-Forwarded-Prefix: /evil\r\n"
    lies += "X-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz\r\n"
    for path in ("/", "/login/?next=/x", "/admin/", "/api/docs"):
        honest = told(worker, f"GET {path} HTTP/1.1\r\n{HEAD}\r\n")
        lied = told(worker, f"GET {path} HTTP/1.1\r\n{HEAD}{lies}\r\n")
        assert statuses(lied) == statuses(honest), path
        assert "evil" not in lied, path
        assert "https://" not in lied.partition("\r\n\r\n")[0], path
        location = re.search(r"(?i)^location: (.*)\r$", lied, re.MULTILINE)
        assert location is None or location[1].startswith("/"), path
    assert "10.9.8.7" not in worker.said()


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_the_method_is_what_the_first_line_says(worker: Worker, header: str) -> None:
    wire = told(worker, f"GET /logout/ HTTP/1.1\r\n{HEAD}{header}: POST\r\n\r\n")
    assert statuses(wire) == [405]


@pytest.mark.parametrize(
    "path",
    [
        "/login/?next=%0d%0aSet-Cookie:%20a=b",
        "/login/?next=/%0d%0a%0d%0a<script>",
        "/monitoring%0d%0aX-Evil:1",
        "/admin%0d%0aX-Evil:%201/",
        "//evil.example/%2e%2e",
        "/%5cevil.example/admin",
        "//evil.example/admin",
        "/admin//evil.example",
    ],
)
def test_no_address_splits_an_answer_or_leads_away(worker: Worker, path: str) -> None:
    wire = told(worker, f"GET {path} HTTP/1.1\r\n{HEAD}\r\n")
    head = wire.partition("\r\n\r\n")[0].lower()
    assert len(statuses(wire)) == 1
    assert "\nx-evil" not in head
    assert "a=b" not in re.sub(r"(?m)^location:.*$", "", head)
    location = re.search(r"^location: (.*)$", head, re.MULTILINE)
    assert location is None or re.match(r"/(?![/\\])", location[1]), head


@pytest.mark.parametrize(
    "ranges", ["bytes=0-1", "bytes=0-,0-,0-,0-" + ",0-" * 500, "bytes=-1", "bytes=9-1", "x=1"]
)
@pytest.mark.parametrize("path", ["/login/", "/api/health", "/static/medimgr/app.css"])
def test_ranges_are_no_way_to_multiply_an_answer(worker: Worker, ranges: str, path: str) -> None:
    whole = told(worker, f"GET {path} HTTP/1.1\r\n{HEAD}\r\n")
    wire = told(worker, f"GET {path} HTTP/1.1\r\n{HEAD}Range: {ranges}\r\n\r\n")
    assert statuses(wire)[0] in (200, 206, 416, 404), wire[:300]
    assert len(wire) < len(whole) + 500


@pytest.mark.parametrize(
    "path", ["/login/", "/monitoring/", "/api/services", "/api/auth/me", "/admin/", "/logo.css"]
)
def test_nobody_between_keeps_what_is_for_one_person(worker: Worker, path: str) -> None:
    """Names that look like files, and conditions of others, make nothing public."""
    others = "If-None-Match: *\r\nIf-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"
    for more in ("", "x.css", "?x=.js", ";a.css", "%2f..%2fx.css"):
        wire = told(worker, f"GET {path}{more} HTTP/1.1\r\n{HEAD}{worker.cookie}{others}\r\n")
        head = wire.partition("\r\n\r\n")[0].lower()
        assert statuses(wire)[0] in (200, 302, 304, 400, 401, 404), head
        kept = re.search(r"^cache-control: (.*)$", head, re.MULTILINE)
        assert kept is None or "public" not in kept[1], head
        if statuses(wire)[0] == 200:
            assert kept is not None, head
            assert "no-cache" in kept[1] or "no-store" in kept[1] or "private" in kept[1], head


CLIMBING = [
    f"{root}{climb}{target}"
    for root in ("/static/", "/static/medimgr/", "/api/docs/", "/admin/jsi18n/")
    for climb, target in (
        ("../" * 6, "etc/passwd"),
        ("..%2f" * 6, "etc/passwd"),
        ("%2e%2e/" * 6, "etc/passwd"),
        ("..%5c" * 6, "etc/passwd"),
        ("%252e%252e%252f" * 6, "etc/passwd"),
        ("/", "etc/passwd"),
        ("", "app.css%00.png"),
        ("../", "medimgr/settings.py"),
        ("..%2f..%2f", ".env"),
    )
]


def test_no_address_climbs_out_of_what_is_served(worker: Worker) -> None:
    assert statuses(told(worker, f"GET /static/medimgr/app.css HTTP/1.1\r\n{HEAD}\r\n")) == [200]
    for path in CLIMBING:
        wire = told(worker, f"GET {path} HTTP/1.1\r\n{HEAD}{worker.cookie}\r\n")
        assert statuses(wire)[0] in {301, 302, 400, 404}, (path, wire[:200])
        assert not re.search("root:|SECRET_KEY", wire), path
        location = re.search(r"(?im)^location: *(\S+)", wire)
        assert location is None or location[1].startswith(("/admin/", "/api/", "/login/")), (path, wire[:300])
