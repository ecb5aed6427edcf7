"""One login page for everybody: where it leads to, and what the admin makes of who is not let in."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db

ALICE = {"username": "alice", "password": "alice-password"}


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        r"\\evil.example",
        r"/\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://testserver@evil.example/",
        "https://testserver.evil.example/",
        "\thttps://evil.example/",
        "/\t/evil.example/",
        "\x00//evil.example",
        "https:///evil.example",
    ],
)
@pytest.mark.parametrize("place", ["address", "form"])
def test_a_login_never_leads_to_somewhere_else(elsewhere: str, place: str, alice: User) -> None:
    client = Client()
    if place == "address":
        answer = client.post("/login/", ALICE, query_params={"next": elsewhere})
    else:
        answer = client.post("/login/", ALICE | {"next": elsewhere})
    assert answer["Location"] == "/"
    again = client.get("/login/", query_params={"next": elsewhere})
    assert again["Location"] == "/", "who is logged in already is not led there either"
    assert client.get("/admin/login/", query_params={"next": elsewhere})["Location"] == "/admin/"


def test_a_login_leads_to_what_was_asked_for(alice: User) -> None:
    answer = Client().post("/login/", ALICE | {"next": "/operations/?status=FAILED&page=2"})
    assert answer["Location"] == "/operations/?status=FAILED&page=2"


def test_the_admin_has_no_login_of_its_own(client: Client, alice: User) -> None:
    page = client.get("/admin/monitoring/service/?state__exact=FATAL", follow=True)
    address = page.redirect_chain[-1][0]
    assert address.startswith("/login/?next=/admin/monitoring/service/%3Fstate__exact%3DFATAL")
    assert "registration/login.html" in [template.name for template in page.templates]
    assert client.post("/admin/login/", ALICE).status_code == 302
    assert "_auth_user_id" not in client.session, "a password posted there is not even looked at"
    answer = client.post(address, ALICE)
    assert answer["Location"] == "/admin/monitoring/service/?state__exact=FATAL"


def test_who_is_logged_in_and_no_staff_is_told_so_instead_of_sent_in_circles(
    client: Client, charlie: User
) -> None:
    client.force_login(charlie)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "staff account" in answer.content.decode()
    assert len(answer.redirect_chain) == 1


def test_staff_is_led_on_from_the_admins_login(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/admin/login/?next=/admin/auth/")["Location"] == "/admin/auth/"


@pytest.mark.parametrize("address", ["/logout/", "/admin/logout/"])
def test_only_a_post_logs_out(address: str, client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get(address).status_code == 405
    assert "_auth_user_id" in client.session
    assert client.post(address)["Location"] == "/login/"
    assert "_auth_user_id" not in client.session


def test_the_session_gets_a_new_key_at_the_login(client: Client, alice: User) -> None:
    client.get("/login/")
    session = client.session
    session["seen"] = "before"
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    client.post("/login/", ALICE)
    assert client.session.session_key != session.session_key
    assert not type(session)().exists(session.session_key or ""), "the old key opens nothing"


def test_a_login_as_somebody_else_takes_nothing_along(client: Client, alice: User, bob: User) -> None:
    client.post("/login/", ALICE)
    session = client.session
    session["of"] = "alice"
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    client.force_login(bob)
    assert "of" not in client.session


def test_a_changed_password_ends_every_session(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/monitoring/").status_code == 200
    alice.set_password("another-password")
    alice.save()
    assert client.get("/monitoring/")["Location"] == "/login/?next=/monitoring/"


def test_the_page_is_never_kept_and_tells_no_password(client: Client, alice: User) -> None:
    answer = client.post("/login/", ALICE | {"password": "hunter2-of-alice"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert b"hunter2" not in answer.content
