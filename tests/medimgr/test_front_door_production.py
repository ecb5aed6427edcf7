"""With the settings of docs/production.env.example, behind a proxy that ends TLS, everything is https."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from pytest_django import DjangoDbBlocker

from medimgr.lib.sealing import new_key
from tests.running import ROOT, Instance, clean_environment, free_port
from tests.test_architecture import example_variables

EXAMPLE = ROOT / "docs/production.env.example"
HOST = "medimgr.example.org"
BY_PROXY = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
PASSWORD = "of-alice-" + secrets.token_hex(8)


def example(directory: Path) -> dict[str, str]:
    """Return the variables of the example, with secrets of this test's own in the files that it names."""
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    variables = dict(line.split("=", 1) for line in lines)
    for name in [name for name in variables if name.endswith("_FILE")]:
        secret = directory / Path(variables[name]).name
        secret.write_text(new_key() if "ENCRYPTION" in name else secrets.token_urlsafe(50), encoding="utf-8")
        variables[name] = str(secret)
    return variables


def test_the_example_names_variables_that_exist() -> None:
    known = example_variables()
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    assert {line.partition("=")[0].removesuffix("_FILE") for line in lines} <= known


def test_with_it_djangos_deployment_check_finds_nothing(tmp_path: Path) -> None:
    variables = clean_environment() | example(tmp_path) | {"MEDIMGR_DATA_DIR": str(tmp_path / "data")}
    outcome = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "no issues" in outcome.stdout


def test_without_it_that_check_finds_what_lacks(tmp_path: Path) -> None:
    """So the test above can fail."""
    variables = clean_environment() | example(tmp_path) | {"MEDIMGR_DATA_DIR": str(tmp_path / "data")}
    variables |= {"DJANGO_SECURE_COOKIES": "false", "DJANGO_SSL_REDIRECT": "", "DJANGO_HSTS_SECONDS": "0"}
    outcome = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode != 0
    for number in ("security.W004", "security.W008", "security.W012", "security.W016", "medimgr.W002"):
        assert number in outcome.stderr


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A Daphne with those settings, to which loopback is the proxy, and an account on it."""
    directory = tmp_path_factory.mktemp("production")
    variables = example(directory) | {"MEDIMGR_TRUSTED_PROXIES": "127.0.0.1"}
    del variables["DATABASE_URL"]
    with django_db_blocker.unblock():
        instance = Instance(directory, **variables)
        try:
            with instance.database():
                # The server hashes as Django does, not as tests do.
                hashed = PBKDF2PasswordHasher().encode(PASSWORD, "salt-of-this-test")
                User.objects.create(username="alice", password=hashed, is_staff=True, is_superuser=True)
            port = free_port()
            instance.daphne(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            instance.close()


def test_who_comes_by_http_is_sent_on_to_https(base: str) -> None:
    for path in (
        "/login/?next=/x",
        "/monitoring/",
        "/api/services",
        "/events/?topics=service",
        "/static/medimgr/app.css",
    ):
        answer = httpx.get(base + path, headers={"Host": HOST, "X-Forwarded-Proto": "http"})
        assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{HOST}{path}")
        assert "Strict-Transport-Security" not in answer.headers, "over http it means nothing"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_who_watches_over_the_server_asks_it_by_http(base: str, path: str) -> None:
    assert httpx.get(base + path, headers={"Host": HOST}).status_code in {200, 401, 503}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/login/", 200),
        ("/", 302),
        ("/monitoring/", 302),
        ("/static/medimgr/app.css", 200),
        ("/api/version", 200),
        ("/api/services", 401),
        ("/events/", 401),
        ("/no/such/page", 404),
        ("/api/no/such/page", 404),
        ("/healthz", 200),
    ],
)
def test_every_answer_keeps_browsers_at_https(base: str, path: str, status: int) -> None:
    answer = httpx.get(base + path, headers=BY_PROXY)
    assert answer.status_code == status
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_the_whole_way_in_works_and_its_cookies_travel_by_https_alone(base: str) -> None:
    with httpx.Client(base_url=base, headers=BY_PROXY) as client:
        page = client.get("/login/")
        token = page.cookies["csrftoken"]
        cookies = {"Cookie": f"csrftoken={token}"}
        form = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token}
        answer = client.post("/login/", data=form, headers={**cookies, "Origin": f"https://{HOST}"})
        assert answer.status_code == 302
        set_cookies = page.headers.get_list("set-cookie") + answer.headers.get_list("set-cookie")
        assert {one.partition("=")[0] for one in set_cookies} == {"csrftoken", "sessionid"}
        assert all("; Secure" in one and "SameSite=Lax" in one for one in set_cookies)
        assert all("HttpOnly" in one for one in set_cookies if one.startswith("sessionid"))
        # Without an Origin, a referrer has to do; another one does not, nor does none.
        for referrer, status in (("", 403), ("https://evil.example/", 403), (f"https://{HOST}/login/", 302)):
            headers = {**cookies, **({"Referer": referrer} if referrer else {})}
            assert client.post("/login/", data=form, headers=headers).status_code == status


def test_another_host_name_is_not_answered(base: str) -> None:
    for name in ("evil.example", f"{HOST}.evil.example", "127.0.0.1"):
        answer = httpx.get(f"{base}/login/", headers={**BY_PROXY, "Host": name})
        assert answer.status_code == 400
        answer = httpx.get(f"{base}/login/", headers={**BY_PROXY, "X-Forwarded-Host": name})
        assert answer.status_code == 200, "nobody's X-Forwarded-Host is looked at"
        assert name not in answer.text
