"""Fields that nobody asked for (mass assignment): the API names and refuses them, forms pass them over."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from medimgr.api import api
from monitoring.models import Service
from operations.models import Batch, Operation
from tests.medimgr.doors import API, Door
from tests.medimgr.doors_world import NEAR, PEOPLE, World, rolled_back
from workstations.models import Workstation

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

WISHES: dict[str, Any] = {
    "id": 7,
    "pk": 7,
    "is_superuser": True,
    "is_staff": True,
    "status": "SUCCESS",
    "labels": "",
    "queue": "node:elsewhere",
    "requester": "root",
    "requested_by": 1,
    "requested_by_id": 1,
    "source": "system",
    "address": "127.0.0.1",
    "lease_token": 1,
    "deadline_at": "2099-01-01T00:00:00Z",
    "password_sealed": "x",
    "builtin": True,
    "command": ["/bin/sh"],
    "__class__": {"__init__": {"__globals__": 1}},
    "__proto__": {"is_superuser": True},
    "constructor": {"prototype": {"is_superuser": True}},
}
TAKES_A_BODY = [
    door
    for door in API
    if door.body is not None
    and "/import" not in door.address
    and "/chores/" not in door.address
    # They keep nothing of what is in them: a name, a password or a token is compared.
    and not door.address.startswith("/api/auth/")
]


def person(name: str) -> Any:
    return next(one for one in PEOPLE if one.name == name)


def state() -> tuple[Any, ...]:
    return (
        list(Operation.objects.order_by("pk").values()),
        list(Batch.objects.order_by("pk").values()),
        list(Service.objects.order_by("pk").values()),
        list(Workstation.objects.order_by("pk").values()),
        list(User.objects.order_by("pk").values("username", "is_superuser", "is_staff", "password")),
    )


@pytest.mark.parametrize("door", TAKES_A_BODY, ids=str)
def test_the_api_takes_no_field_that_it_does_not_describe(door: Door) -> None:
    world = World()
    client = world.client(person("administrator"))
    address, body = world.called(door.address, "near") + door.query, world.called(door.body, "near")
    before = state()

    def sent(more: dict[str, Any]) -> Any:
        text = json.dumps({**body, **more})
        return rolled_back(
            lambda: (client.generic(door.method, address, text, content_type="application/json"), state())
        )

    wishes = {name: value for name, value in WISHES.items() if name not in body}
    answer, after = sent(wishes)
    told = f"{door}: {answer.status_code} {answer.content[:200]!r}"
    if answer.status_code == 422:
        described = answer.json()["errors"]
        assert {name for name in wishes if not any(field.endswith(name) for field in described)} == set(), (
            told
        )
        assert after == before, told
    elif answer.status_code < 300:  # it takes no body, and did not read it
        assert "requestBody" not in described_at(door), told
        _, plain = sent({})
        assert len(after[0]) == len(plain[0]), told
        newest = after[0][-1]
        assert (newest["requester"], newest["source"]) != ("root", "system"), told
    else:
        assert answer.status_code in (400, 401, 409, 415), told
        assert after == before, told


def described_at(door: Door) -> dict[str, Any]:
    """Return what the description says of ``door``."""
    paths: dict[str, Any] = api.get_openapi_schema()["paths"]
    shape = re.sub(r"\{\w+\}|(?<=/)1(?=/)", "{}", door.address)
    return next(
        methods[door.method.lower()]
        for path, methods in paths.items()
        if re.sub(r"\{\w+\}", "{}", path) == shape and door.method.lower() in methods
    )


def test_a_form_passes_over_what_it_does_not_show() -> None:
    world = World()
    client = world.client(person("administrator"))
    row = Service.objects.get(key=world.rows["near"]["service"])
    page = client.get(f"/admin/monitoring/service/{row.pk}/change/")
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    data = {name: "" if value is None else value for name, value in shown.items() if value is not False}
    data |= {name: json.dumps(v) for name, v in data.items() if isinstance(v, (list, dict))}
    for inline in page.context["inline_admin_formsets"]:
        prefix = inline.formset.prefix
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    wishes = {"builtin": "on", "instance": "3", "instance_of": str(row.pk), "id": "9999", "pk": "9999"}
    client.post(f"/admin/monitoring/service/{row.pk}/change/", data | wishes)
    after = Service.objects.get(pk=row.pk)
    assert (after.builtin, after.instance, after.instance_of_id) == (False, 0, None)
    assert not Service.objects.filter(pk=9999).exists()
    pc = Workstation.objects.get(pk=world.rows["near"]["workstation"])
    client.post(
        f"/admin/workstations/workstation/{pc.pk}/change/",
        {"name": "x", "host": "10.0.0.9", "password_sealed": "mine", "status": "ONLINE", "system": "{}"},
    )
    pc.refresh_from_db()
    assert (pc.password_sealed, pc.system) == ("", None)


@pytest.mark.parametrize("name", ["viewer", "operator", "limited-administrator", "viewer-token"])
def test_nobody_climbs_by_any_form_of_accounts_groups_scopes_or_tokens(name: str) -> None:
    world = World()
    client = world.client(person(name))
    user = world.user(person(name))
    group = Group.objects.get(name="viewer")
    before = state(), set(user.get_all_permissions()), Group.objects.count()
    wishes: dict[str, Any] = dict.fromkeys(
        ("is_superuser", "is_staff", "is_active", "_save", "post", "days", "usable_password"), "1"
    )
    wishes |= {"username": user.username, "name": "mine", "user": user.pk, "role": "administrator"}
    wishes |= dict.fromkeys(("password1", "password2"), "Another-password-9")
    wishes |= {"groups": [one.pk for one in Group.objects.all()]}
    wishes |= {"scope-TOTAL_FORMS": "0", "scope-INITIAL_FORMS": "0"}
    own = f"auth/user/{user.pk}"
    for place in (
        *(f"{own}/change", f"{own}/password", f"{own}/delete", "auth/user/add"),
        *(f"auth/group/{group.pk}/change", "auth/group/add", "auth/permission/add"),
        *("accounts/machinetoken/add", "accounts/accountscope/add"),
    ):
        address = f"/admin/{place}/"
        answer = client.post(address, wishes)
        if "machinetoken" in address and name == "limited-administrator":
            assert b"mm_" not in answer.content or answer.status_code == 403
            continue
        assert answer.status_code in (302, 403, 404), f"{address}: {answer.status_code}"
        if answer.status_code == 302:
            assert "/login/" in answer["Location"] or answer["Location"] == "/admin/", address
    fresh = User.objects.get(pk=user.pk)
    assert (state(), set(fresh.get_all_permissions()), Group.objects.count()) == before


def test_the_world_is_not_empty() -> None:
    world = World()
    assert NEAR in world.rows["near"]["service"]
    assert len(TAKES_A_BODY) > 20
    assert isinstance(world.client(person("administrator")), Client)
