"""nginx in front of medimgr, as docs/deploy/nginx.conf has it: a real one, with TLS, and streams at once."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.db import transaction
from pytest_django import DjangoDbBlocker

from medimgr.events.log import publish
from medimgr.events.models import Connection
from tests.deployment.front_proxy import BINARY, NAME, FrontProxy
from tests.running import Instance, free_port

pytestmark = pytest.mark.skipif(BINARY is None, reason="nginx is not here: apt-get install nginx-light")
PASSWORD = "a-password-for-tests"
ELSEWHERE = "127.0.0.2"
"""Where the client comes from, so that it is not the proxy's own address."""


class Site:
    """Both of them, and somebody who may see everything."""

    def __init__(self, directory: Path) -> None:
        self.instance = Instance(
            directory,
            MEDIMGR_TRUSTED_PROXIES="127.0.0.1",
            DJANGO_SECURE_COOKIES="true",
            DJANGO_ALLOWED_HOSTS=NAME,
            DJANGO_CSRF_TRUSTED_ORIGINS=f"https://{NAME}",
            MEDIMGR_STREAM_HEARTBEAT_SECONDS="1",
        )
        self.server = free_port()
        self.proxy = FrontProxy(directory / "nginx", self.server)

    def start(self) -> None:
        with self.instance.database():
            # The tests' own hash is none that a server believes.
            hashed = make_password(PASSWORD, hasher=PBKDF2PasswordHasher())
            User.objects.create(
                username="root", password=hashed, is_active=True, is_staff=True, is_superuser=True
            )
        self.instance.daphne(self.server)
        self.proxy.start()

    def client(self, **headers: str) -> httpx.Client:
        """Return a client elsewhere that has nothing but an address to go to."""
        transport = httpx.HTTPTransport(verify=self.proxy.trust(), local_address=ELSEWHERE)
        base = f"https://127.0.0.1:{self.proxy.secure}"
        return httpx.Client(base_url=base, transport=transport, timeout=15, headers={"Host": NAME, **headers})

    def close(self) -> None:
        self.proxy.stop()
        self.instance.close()


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
    django_db_setup: None,
) -> Iterator[Site]:
    with django_db_blocker.unblock():
        running = Site(tmp_path_factory.mktemp("nginx-site"))
        try:
            running.start()
            yield running
        finally:
            running.close()


@pytest.fixture
def root(site: Site) -> Iterator[httpx.Client]:
    """Who has logged in through the login page."""
    with site.client() as client:
        _log_in(client)
        yield client


def _log_in(client: httpx.Client) -> None:
    client.get("/login/").raise_for_status()
    # Cookies are Secure: httpx sends them, since this is https.
    token = client.cookies["csrftoken"]
    form = {"username": "root", "password": PASSWORD, "csrfmiddlewaretoken": token}
    answer = client.post(
        "/login/", data=form, headers={"Origin": f"https://{NAME}", "Referer": f"https://{NAME}/"}
    )
    assert answer.status_code == 302, answer.text
    assert "sessionid" in client.cookies
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]


def test_nginx_takes_the_configuration(site: Site) -> None:
    done = site.proxy.check()
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_whoever_comes_by_http_is_sent_to_https(site: Site) -> None:
    answer = httpx.get(f"http://127.0.0.1:{site.proxy.plain}/monitoring/?a=b", headers={"Host": NAME})
    assert (answer.status_code, answer.headers["location"]) == (308, f"https://{NAME}/monitoring/?a=b")


def test_people_log_in_and_act_through_it(root: httpx.Client) -> None:
    assert "root" in root.get("/api/auth/me").text
    assert root.get("/monitoring/").status_code == 200

    # What changes something goes by its origin: that of the page, as the browser sees it.
    def cleaned_up(origin: str) -> int:
        return root.delete("/api/operations/cleanup", headers={"Origin": origin}).status_code

    assert cleaned_up(f"https://{NAME}") == 202
    assert cleaned_up("https://elsewhere.example") == 403


def test_each_message_of_a_stream_comes_at_once_and_its_end_is_known(site: Site, root: httpx.Client) -> None:
    with root.stream("GET", "/events/?topics=service") as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert any(line == "event: hello" for line in lines)
        # The client's own address, and not the proxy's.
        with site.instance.database():
            assert Connection.objects.get().address == ELSEWHERE
        took = []
        for number in range(3):
            began = time.monotonic()
            with site.instance.database(), transaction.atomic():
                publish("service", f"key-{number}", {"state": "RUNNING"})
            next(line for line in lines if f"key-{number}" in line)
            took.append(time.monotonic() - began)
        assert max(took) < 5  # of a proxy that collects, nothing would come before the stream ends
    site.instance.wait_for(lambda: _streams(site) == 0, 10, "nginx tells that the page has gone")


def _streams(site: Site) -> int:
    with site.instance.database():
        return Connection.objects.count()


def test_what_a_client_says_of_its_own_address_is_not_passed_on(site: Site, root: httpx.Client) -> None:
    root.headers["X-Forwarded-For"] = "198.51.100.1"
    with root.stream("GET", "/events/?topics=service") as stream:
        assert any(line == "event: hello" for line in stream.iter_lines())
        with site.instance.database():
            assert Connection.objects.get().address == ELSEWHERE
    site.instance.wait_for(lambda: _streams(site) == 0, 10, "the stream has ended")


def test_the_metrics_are_not_for_the_world(site: Site) -> None:
    with site.client() as client:
        assert client.get("/metrics").status_code == 403


def test_a_body_that_is_too_large_gets_no_further(site: Site) -> None:
    with site.client() as client:
        answer = client.post("/api/auth/login", content=b"x" * 6_000_000)
        assert answer.status_code == 413
        assert "nginx" in answer.text


def test_a_request_has_one_name_on_both_sides(site: Site) -> None:
    with site.client() as client:
        name = client.get("/healthz").headers["x-request-id"]
    assert len(name) == 32  # nginx' own form
