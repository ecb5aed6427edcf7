"""Programs on real streams: the header lets them in, and what ends the token ends the stream."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from medimgr.accounts.models import MachineToken, TokenFamily
from tests.events.conftest import Site, running_site
from tests.events.limits import machine_token
from tests.events.stream_client import StreamClient
from tests.medimgr.accounts.logging_in import KEYS


@pytest.fixture(scope="module")
def shared_site(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """A site that signs tokens."""
    directory = tmp_path_factory.mktemp("site")
    with running_site(directory, django_db_blocker, MEDIMGR_TOKEN_KEYS=",".join(KEYS)) as site:
        yield site


@pytest.fixture
def machine(site: Site) -> str:
    """A machine's token of somebody who may look at services."""
    site.person("robot", "view_service")
    with site.instance.database():
        MachineToken.objects.all().delete()
        return machine_token(User.objects.get(username="robot"), name="backup")


@pytest.fixture
def login(site: Site) -> dict[str, str]:
    """The tokens of somebody who has logged in by API."""
    site.person("robot", "view_service")
    with site.instance.database():
        user = User.objects.get(username="robot")
        user.is_active = user.is_staff = True
        # As workers hash; the tests' own way is quick, and unknown to them.
        user.password = PBKDF2PasswordHasher().encode("robot-password", "salt", 1000)
        user.save()
    answer = httpx.post(
        f"http://127.0.0.1:{site.ports[0]}/api/auth/login",
        json={"username": "robot", "password": "robot-password"},
    )
    assert answer.status_code == 200, answer.text
    pair: dict[str, str] = answer.json()
    return pair


def connect(site: Site, token: str, session: str = "", **query: Any) -> StreamClient:
    query.setdefault("topics", "service")
    return StreamClient(site.ports[0], session, {"Authorization": f"Bearer {token}"}, **query)


def refusal(client: StreamClient) -> tuple[str, dict[str, Any]]:
    """Return the challenge and the body of a refusal."""
    with client:
        status, headers = client.answer()
        client._read_until(lambda: len(client._raw) >= int(headers["content-length"]), 10, "the body")
        assert status == 401
        return headers.get("www-authenticate", ""), json.loads(client._raw)


def test_a_machine_hears_what_happens(site: Site, machine: str) -> None:
    with connect(site, machine).start() as client:
        site.publish("service", "web", {"state": "running"})
        assert client.next("service").data == {"state": "running", "key": "web"}
        assert client.hello["topics"] == ["service"]


@pytest.mark.parametrize("bad", ["nonsense", "", "mm_aaaaaaaa_" + "b" * 43, "x.y.z", "é" * 20])
def test_a_bad_token_is_refused_although_a_good_cookie_comes_with_it(site: Site, bad: str) -> None:
    challenge, problem = refusal(connect(site, bad, site.operator()))
    assert challenge.startswith('Bearer realm="medimgr"')
    assert problem["code"] == "token-invalid"


def test_a_token_in_the_address_opens_nothing_and_another_scheme_is_no_token(
    site: Site, machine: str
) -> None:
    for name in ("access_token", "token", "authorization"):
        query: dict[str, Any] = {"topics": "service", name: machine}
        _, problem = refusal(StreamClient(site.ports[0], **query))
        assert problem["code"] == "not-logged-in"
    basic = StreamClient(site.ports[0], "", {"Authorization": "Basic cm9ib3Q6cm9ib3Q="}, topics="service")
    assert refusal(basic)[1]["code"] == "not-logged-in"
    with site.connect(site.operator()) as by_cookie:
        by_cookie.start()


def revoke(site: Site) -> None:
    MachineToken.objects.update(revoked_at=timezone.now())


def expire(site: Site) -> None:
    MachineToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def withdraw(site: Site) -> None:
    User.objects.get(username="robot").user_permissions.clear()


def deactivate(site: Site) -> None:
    User.objects.filter(username="robot").update(is_active=False)


def change_password(site: Site) -> None:
    user = User.objects.get(username="robot")
    user.set_password("another-password")
    user.save()


def end_login(site: Site) -> None:
    TokenFamily.objects.update(revoked_at=timezone.now(), revoked_why="administrator")


def ends_with(site: Site, client: StreamClient, change: Callable[[Site], None]) -> str:
    with client:
        client.start()
        with site.instance.database():
            change(site)
        (bye,) = [message for message in client.until_end() if message.name == "bye"]
        return str(bye.data["reason"])


@pytest.mark.parametrize("change", [revoke, expire])
def test_what_ends_a_machines_token_ends_its_streams(
    site: Site, machine: str, change: Callable[[Site], None]
) -> None:
    assert ends_with(site, connect(site, machine), change) == "session-ended"
    assert refusal(connect(site, machine))[1]["code"] == "token-invalid"


@pytest.mark.parametrize("change", [end_login, change_password, deactivate])
def test_what_ends_a_login_ends_its_streams(
    site: Site, login: dict[str, str], change: Callable[[Site], None]
) -> None:
    assert ends_with(site, connect(site, login["access"]), change) == "session-ended"
    assert refusal(connect(site, login["access"]))[1]["code"] == "token-invalid"


def test_a_logout_ends_the_streams_of_that_login(site: Site, login: dict[str, str]) -> None:
    def log_out(_site: Site) -> None:
        answer = httpx.post(
            f"http://127.0.0.1:{site.ports[0]}/api/auth/logout",
            headers={"Authorization": f"Bearer {login['access']}"},
        )
        assert answer.is_success, answer.text

    assert ends_with(site, connect(site, login["access"]), log_out) == "session-ended"


def test_a_refresh_leaves_the_stream_of_the_token_before_it(site: Site, login: dict[str, str]) -> None:
    with connect(site, login["access"]).start() as client:
        answer = httpx.post(
            f"http://127.0.0.1:{site.ports[0]}/api/auth/refresh", json={"refresh": login["refresh"]}
        )
        assert answer.status_code == 200, answer.text
        client.next("heartbeat")
        client.next("heartbeat")
        site.publish("service", "web")
        client.next("service")


def test_a_permission_that_is_withdrawn_ends_the_stream(site: Site, machine: str) -> None:
    assert ends_with(site, connect(site, machine), withdraw) == "session-ended"
    with site.instance.database():
        User.objects.filter(username="robot").delete()


def test_no_token_stands_in_what_the_worker_writes(site: Site, machine: str, login: dict[str, str]) -> None:
    with connect(site, machine).start(), connect(site, login["access"]).start():
        pass
    refusal(connect(site, machine + "x"))
    site.wait_for_rows(0, 5)
    output = "".join(worker.output() for worker in site.workers)
    for secret in (machine, machine.split("_", 2)[2], login["access"], login["access"].split(".")[2]):
        assert secret not in output
    lines = [line for line in output.splitlines() if "GET /events/ 200" in line]
    assert any("user=robot token=backup" in line for line in lines), lines
