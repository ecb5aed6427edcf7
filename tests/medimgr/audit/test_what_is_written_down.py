"""Who did what stands in the audit, whichever door it came through; and it stays when all else is gone."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from medimgr.audit.floods import Floodgate
from medimgr.audit.logins import NOBODY
from medimgr.audit.models import AuditEntry, Immutable
from medimgr.audit.recording import record
from monitoring.models import Service
from operations.exceptions import NotPermitted
from operations.lifecycle import request_cancel
from operations.models import Operation
from operations.requester import Requester
from tests.operations.asking import ALICE, ask, service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PASSWORD = "alice-password"


def written(action: str) -> list[dict[str, Any]]:
    return [dict(entry) for entry in AuditEntry.objects.filter(action=action).order_by("pk").values()]


def one(action: str) -> dict[str, Any]:
    [entry] = written(action)
    return entry


@pytest.fixture
def here(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


# --- who comes and goes ------------------------------------------------------------------------------


def test_a_login_and_a_logout(alice: User, client: Client) -> None:
    client.post("/login/", {"username": "alice", "password": PASSWORD}, REMOTE_ADDR="192.0.2.9")
    entry = one("login")
    assert (entry["who"], entry["user_id"], entry["source"]) == ("alice", alice.pk, "page")
    assert (entry["address"], entry["outcome"]) == ("192.0.2.9", "done")
    client.post("/logout/")
    assert one("logout")["who"] == "alice"


def test_a_login_in_vain_names_an_account_and_never_what_was_typed(alice: User, client: Client) -> None:
    client.post("/login/", {"username": "alice", "password": "wrong-password"})
    client.post("/login/", {"username": "my-password-in-the-wrong-field", "password": "x"})
    known, unknown = written("login-failed")
    assert (known["who"], known["user_id"], known["outcome"]) == ("alice", alice.pk, "refused")
    assert (unknown["who"], unknown["user_id"]) == (NOBODY, None)
    for entry in (known, unknown):
        assert "wrong-password" not in str(entry)
        assert "wrong-field" not in str(entry)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "\ud800", "line\nbreak", ""])
def test_no_name_is_too_strange(name: str, client: Client) -> None:
    client.post("/login/", {"username": name.encode("utf-8", "surrogatepass"), "password": "x"})
    assert all(entry["who"] == NOBODY for entry in written("login-failed"))


def test_a_thousand_logins_in_vain_are_a_few_entries(alice: User, client: Client) -> None:
    from django.contrib.auth.signals import user_login_failed
    from django.test import RequestFactory

    request = RequestFactory().post("/login/")
    for number in range(1_000):
        user_login_failed.send(sender=__name__, credentials={"username": f"u{number}"}, request=request)
    assert 1 <= len(written("login-failed")) <= 60


def test_what_a_floodgate_leaves_out_is_told_by_the_next_that_it_lets_through() -> None:
    now = [0.0]
    gate = Floodgate(per_key=2, in_all=3, clock=lambda: now[0])
    assert [gate.admit("a") for _ in range(4)] == [0, 0, None, None]
    assert [gate.admit("b"), gate.admit("b")] == [2, None]
    now[0] = 60.0
    assert gate.admit("a") == 1
    assert gate.admit("a") == 0


# --- what is asked for -------------------------------------------------------------------------------


def test_an_operation_that_is_asked_for(here: Client) -> None:
    service()
    answer = here.post(
        "/api/services/backend/start", {"reason": "because"}, "application/json", REMOTE_ADDR="192.0.2.1"
    )
    assert answer.status_code == 202
    entry = one("service.start")
    assert (entry["who"], entry["source"], entry["address"]) == ("alice", "api", "192.0.2.1")
    assert (entry["target"], entry["outcome"]) == ("service:backend", "asked")
    assert entry["operation_id"] == answer.json()["operation"]["id"]
    assert entry["detail"] == "because"


def test_one_request_costs_one_insert_more(here: Client) -> None:
    service()
    with CaptureQueriesContext(connection) as queries:
        here.post("/api/services/backend/start", {}, "application/json")
    assert (
        len([query for query in queries if "INSERT INTO" in query["sql"] and "audit_" in query["sql"]]) == 1
    )


def test_a_batch_is_one_insert_for_all(here: Client) -> None:
    keys = [service(f"s{number}").key for number in range(12)]
    with CaptureQueriesContext(connection) as queries:
        answer = here.post("/api/services/batch", {"action": "start", "services": keys}, "application/json")
    assert answer.status_code == 202, answer.content
    assert {entry["target"] for entry in written("service.start")} == {f"service:{key}" for key in keys}
    inserts = [query["sql"] for query in queries if query["sql"].startswith("INSERT INTO")]
    assert len([sql for sql in inserts if "audit_auditentry" in sql]) == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_not_stored_is_not_written_down_either(alice: User) -> None:
    service()

    class Broken(Exception):
        pass

    def break_off() -> None:
        with transaction.atomic():
            ask("service.start")
            raise Broken

    with pytest.raises(Broken):
        break_off()
    assert not Operation.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_cancel_of_what_waits() -> None:
    operation = ask("service.start")
    request_cancel(operation, Requester("berta", "page"))
    entry = one("operation.cancel")
    assert (entry["who"], entry["outcome"], entry["operation_id"]) == ("berta", "done", operation.pk)
    assert entry["detail"] == "service.start, before it began."


def test_a_cancel_of_what_runs() -> None:
    operation = ask("service.start")
    Operation.objects.filter(pk=operation.pk).update(status="RUNNING")
    for _ in range(2):
        request_cancel(Operation.objects.get(pk=operation.pk), ALICE)
    assert one("operation.cancel")["outcome"] == "asked"


def test_what_medimgr_does_by_itself_is_nobodys_doing() -> None:
    ask("service.start", who=Requester("system", "system"))
    assert not AuditEntry.objects.exists()


def test_a_chore_that_is_run_now(here: Client) -> None:
    here.force_login(User.objects.create_superuser("root", password="x"))
    assert here.post("/api/operations/chores/events.prune/run").status_code == 202
    entry = one("chore.run")
    assert (entry["who"], entry["target"], entry["outcome"]) == ("root", "chore:events.prune", "asked")


# --- what is refused ---------------------------------------------------------------------------------


def test_a_refusal_at_the_api(bob: User, client: Client) -> None:
    service()
    client.force_login(bob)
    assert client.post("/api/services/backend/start").status_code == 403
    entry = one("not-permitted")
    assert (entry["who"], entry["outcome"]) == ("bob", "refused")
    assert entry["target"] == "POST /api/services/backend/start"
    assert entry["detail"]


def test_a_refusal_at_a_page(charlie: User, client: Client) -> None:
    client.force_login(charlie)
    assert client.get("/monitoring/").status_code == 403
    entry = one("not-permitted")
    assert (entry["who"], entry["source"], entry["target"]) == ("charlie", "page", "GET /monitoring/")


def test_a_stranger_is_no_entry(client: Client) -> None:
    client.get("/monitoring/")
    client.get("/api/services")
    assert not AuditEntry.objects.exists()


def test_somebody_who_is_refused_without_end_is_a_few_entries(bob: User, client: Client) -> None:
    service()
    client.force_login(bob)
    for _ in range(40):
        client.post("/api/services/backend/start")
    assert len(written("not-permitted")) == 20


def test_a_refusal_from_below_is_no_entry_of_an_operation(bob: User) -> None:
    with pytest.raises(NotPermitted):
        ask("service.start", who=Requester("bob", "page", user=bob))
    assert not Operation.objects.exists()


# --- what is changed in the admin --------------------------------------------------------------------


def test_what_is_added_changed_and_deleted_in_the_admin(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))
    client.post("/admin/auth/group/add/", {"name": "night shift"})
    group = one("admin.add")
    assert (group["who"], group["source"], group["target_name"]) == ("root", "admin", "night shift")
    key = group["target"].removeprefix("group:")
    client.post(f"/admin/auth/group/{key}/change/", {"name": "day shift", **_no_scope()})
    assert "Name" in one("admin.change")["detail"]
    client.post(f"/admin/auth/group/{key}/delete/", {"post": "yes"})
    assert one("admin.delete")["target"] == f"group:{key}"


def test_a_password_that_is_changed_is_named_and_not_told(client: Client, bob: User) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))
    secret = "a-Fresh-one-4711"
    client.post(f"/admin/auth/user/{bob.pk}/password/", {"password1": secret, "password2": secret})
    entry = one("admin.change")
    assert (entry["target"], entry["target_name"]) == (f"user:{bob.pk}", "bob")
    assert "assword" in entry["detail"]
    assert secret not in str(entry)


def test_several_that_are_deleted_are_an_entry_each(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root", password="x"))
    users = [User.objects.create_user(f"gone-{number}") for number in range(3)]
    data = {"action": "delete_selected", "_selected_action": [user.pk for user in users], "post": "yes"}
    client.post("/admin/auth/user/", data)
    assert {entry["target_name"] for entry in written("admin.delete")} == {"gone-0", "gone-1", "gone-2"}


def test_whatever_the_admin_has_writes_down_what_is_changed() -> None:
    from django.contrib import admin

    from medimgr.admin_site import AuditedChanges

    assert len(admin.site._registry) > 10
    for model, part in admin.site._registry.items():
        assert isinstance(part, AuditedChanges), model


def _no_scope() -> dict[str, str]:
    return {f"scope-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}


# --- what stays --------------------------------------------------------------------------------------


def test_an_entry_outlives_account_target_and_operation(here: Client, alice: User) -> None:
    service()
    here.post("/api/services/backend/start", {}, "application/json")
    Operation.objects.all().delete()
    Service.objects.all().delete()
    alice.delete()
    entry = one("service.start")
    assert (entry["who"], entry["user_id"], entry["target"]) == ("alice", None, "service:backend")


def test_an_entry_is_never_changed_and_goes_by_age_alone() -> None:
    record("login", who="a", source="page")
    entry = AuditEntry.objects.get()
    entry.who = "somebody else"
    with pytest.raises(Immutable):
        entry.save()
    with pytest.raises(Immutable):
        entry.delete()
    with pytest.raises(Immutable):
        AuditEntry.objects.update(who="somebody else")
    with pytest.raises(Immutable):
        AuditEntry.objects.all().delete()
    assert AuditEntry.objects.get().who == "a"


def test_texts_are_made_fit_and_secrets_are_masked() -> None:
    long = "x" * 999
    record(
        "a" * 99, who=f"n\0{long}", source="page", target=long, target_name="\ud800", detail="password=hush"
    )
    entry = AuditEntry.objects.get()
    assert (len(entry.who), len(entry.target), len(entry.action)) == (150, 240, 64)
    assert "hush" not in entry.detail
    assert entry.target_name == "?"
