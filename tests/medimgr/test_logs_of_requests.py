"""Every request has a name, in its answer and in the log, and one line at its end. On a real Daphne."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from medimgr.lib.client_address import networks
from medimgr.request_log import chosen_id
from tests.events.conftest import Site
from tests.medimgr.worker_process import WorkerProcess
from tests.running import wait_for

MADE = re.compile(r"[0-9a-f]{16}")
OFFERED = "from-the-proxy-0001"


class Logged:
    """A web worker that logs JSON, with a way to ask it and to read what it has logged."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.worker = WorkerProcess(site.instance, DJANGO_SETTINGS_MODULE="medimgr.settings").ready()
        site.ports.append(self.worker.port)
        self.client = httpx.Client(base_url=self.worker.url(""), timeout=10)

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        found = []
        for line in self.worker.said().splitlines():
            if line.startswith("{"):
                record = json.loads(line)
                if all(record.get(name) == value for name, value in fields.items()):
                    found.append(record)
        return found

    def line(self, **fields: Any) -> dict[str, Any]:
        wait_for(lambda: bool(self.lines(**fields)), 10, f"a line of {fields}")
        [record] = self.lines(**fields)
        return record

    def access(self, name: str) -> dict[str, Any]:
        return self.line(logger="medimgr.access", request_id=name)


def logged(directory: Path, blocker: DjangoDbBlocker, **variables: str) -> Iterator[Logged]:
    with blocker.unblock():
        site = Site(directory, MEDIMGR_LOG_FORMAT="json", MEDIMGR_LOG_LEVEL="INFO", **variables)
        try:
            seen = Logged(site)
            with seen.client:
                yield seen
            seen.worker.close()
        finally:
            site.instance.close()


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Logged]:
    """A medimgr that knows no proxy."""
    yield from logged(tmp_path_factory.mktemp("near"), django_db_blocker)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Logged]:
    """A medimgr for which whoever asks from this machine is a proxy."""
    yield from logged(
        tmp_path_factory.mktemp("behind"), django_db_blocker, MEDIMGR_TRUSTED_PROXIES="127.0.0.1"
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/login/", 200),
        ("/healthz", 200),
        ("/monitoring/", 302),
        ("/no-such-page/", 404),
        ("/api/version", 200),
        ("/api/services", 401),
        ("/api/no-such", 404),
        ("/events/?topics=service", 401),
        ("/events/disconnect/", 405),
        ("/static/medimgr/api.js", 200),
    ],
)
def test_every_answer_bears_the_name_of_its_request(near: Logged, path: str, status: int) -> None:
    answer = near.client.get(path)
    assert answer.status_code == status
    assert MADE.fullmatch(answer.headers["x-request-id"])
    assert len(answer.headers.get_list("x-request-id")) == 1


def test_no_two_requests_have_the_same_name(near: Logged) -> None:
    names = {near.client.get("/api/version").headers["x-request-id"] for _ in range(20)}
    assert len(names) == 20


def test_each_request_has_one_line_with_who_what_and_how_it_went(near: Logged) -> None:
    near.client.cookies.set("sessionid", near.site.person("carol", is_superuser=True))
    answer = near.client.get(
        "/api/services?limit=3&password=hush-hush", headers={"X-Forwarded-For": "9.9.9.9"}
    )
    near.client.cookies.clear()
    record = near.access(answer.headers["x-request-id"])
    assert record["message"].startswith("GET /api/services 200 in ")
    assert (record["method"], record["path"], record["status"]) == ("GET", "/api/services", 200)
    assert (record["user"], record["address"], record["level"]) == ("carol", "127.0.0.1", "INFO")
    assert (record["process"], record["pid"]) == ("web_worker", near.worker.process.pid)
    assert 0 < record["ms"] < 10_000
    assert "hush-hush" not in near.worker.said()


def test_a_path_cannot_forge_a_line(near: Logged) -> None:
    answer = near.client.get("/x%0a2026-01-01%1b[31m/%00")
    record = near.access(answer.headers["x-request-id"])
    assert record["path"] == "/x%0A2026-01-01%1B%5B31m/%00"


def test_a_watch_that_goes_well_is_quiet(near: Logged) -> None:
    watched = near.client.get("/healthz").headers["x-request-id"]
    other = near.client.get("/api/version").headers["x-request-id"]
    near.access(other)
    assert near.lines(request_id=watched) == []


def test_a_stranger_cannot_choose_the_name(near: Logged) -> None:
    answer = near.client.get("/api/version", headers={"X-Request-ID": OFFERED})
    assert MADE.fullmatch(answer.headers["x-request-id"])


def test_a_proxy_that_is_known_chooses_it(behind: Logged) -> None:
    headers = {"X-Request-ID": OFFERED, "X-Forwarded-For": "192.0.2.7"}
    answer = behind.client.get("/api/version", headers=headers)
    assert answer.headers["x-request-id"] == OFFERED
    assert behind.access(OFFERED)["address"] == "192.0.2.7"


@pytest.mark.parametrize("offered", ["short", "x" * 65, "with space", "new\nline-1", "äöü-12345678", ""])
def test_a_name_that_is_not_fit_is_not_taken_from_anybody(offered: str) -> None:
    proxies = networks(["10.0.0.0/8"])
    assert MADE.fullmatch(chosen_id("10.0.0.1", offered, proxies))
    assert MADE.fullmatch(chosen_id("not an address", OFFERED, proxies))
    assert MADE.fullmatch(chosen_id("::1", OFFERED, proxies))
    assert chosen_id("10.0.0.1", OFFERED, proxies) == OFFERED


def test_a_stream_bears_its_name_and_has_its_line_at_its_end(near: Logged) -> None:
    with near.site.connect() as stream:
        _, headers = stream.answer()
        name = headers["x-request-id"]
        assert near.lines(logger="medimgr.access", request_id=name) == []
        stream.close()
    record = near.access(name)
    assert (record["path"], record["status"], record["user"]) == ("/events/", 200, "operator")


def test_what_a_request_logs_on_its_way_bears_its_name(near: Logged) -> None:
    answer = near.client.get("/no-such-page/")
    name = answer.headers["x-request-id"]
    near.access(name)
    assert {record["logger"] for record in near.lines(request_id=name)} >= {
        "django.request",
        "medimgr.access",
    }


def test_a_refusal_is_told_without_a_traceback(near: Logged) -> None:
    near.client.cookies.set("sessionid", near.site.person("dora"))
    answer = near.client.get("/admin/audit/auditentry/")
    near.client.cookies.clear()
    assert answer.status_code == 403
    near.access(answer.headers["x-request-id"])
    told = near.lines(request_id=answer.headers["x-request-id"], logger="django.request")
    assert told
    assert "exception" not in told[0]
