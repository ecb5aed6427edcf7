"""Every verb by every role in the admin: lists, forms, deletions, histories, actions, own addresses."""

from functools import partial
from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory

from medimgr.lib.roles import Role
from monitoring.models import Service
from operations.models import Operation
from tests.medimgr.doors import ADMIN, Administered
from tests.medimgr.doors_world import FAR, NEAR, PEOPLE, Person, World, rolled_back
from tests.medimgr.test_matrix import routes
from workstations.models import Workstation

pytestmark = pytest.mark.django_db

OWN_ADDRESSES = {
    "operations/operation/purge/": 200,
    "monitoring/service/import/": 200,
    "audit/auditentry/export/": 405,  # by POST alone
}
"""What the admin has beside Django's own addresses, all for administrators who reach everything.

With what those are answered.
"""
MODELS: dict[str, Any] = {
    model._meta.label_lower: model_admin for model, model_admin in admin.site._registry.items()
}


def may_enter(person: Person, least: str | None, model: Administered | None = None) -> bool:
    if least is None or person.token:  # a token is for programs
        return False
    shut = () if not person.limited else ("unlimited",) if person.looks else ("unlimited", "seen")
    if model is not None and model.reach in shut:
        return False
    return person.rank >= list(Role).index(Role(least))


def check(person: Person, answer: Any, opens: bool, what: str, opened: int = 200) -> None:
    told = f"{person.name} at {what}: {answer.status_code}"
    if not person.logged_in or person.token or not person.staff:
        assert answer.status_code in (302, 403), told
        if answer.status_code == 302:
            assert "login" in answer["Location"], told
    else:
        assert answer.status_code == (opened if opens else 403), told


@pytest.mark.parametrize("label", sorted(MODELS))
def test_lists_and_forms_open_to_whom_they_are_meant_to(label: str) -> None:
    world, meant = World(), ADMIN[label]
    app, model = label.split(".")
    for person in PEOPLE:
        client = world.client(person)
        answer = client.get(f"/admin/{app}/{model}/")
        opens = may_enter(person, meant.view, meant)
        check(person, answer, opens, f"the list of {label}")
        if opens and person.limited and not person.looks:
            assert FAR not in answer.content.decode(), f"{person.name}: {label}"
        if opens and meant.reach == "row":
            assert NEAR in answer.content.decode(), f"{person.name}: {label}"
        check(
            person,
            client.get(f"/admin/{app}/{model}/add/"),
            may_enter(person, meant.add, meant),
            f"{label} add",
        )


@pytest.mark.parametrize("label", sorted(label for label in ADMIN if ADMIN[label].reach == "row"))
@pytest.mark.parametrize("side", ["near", "far"])
def test_rows_open_to_whom_they_are_meant_to(label: str, side: str) -> None:
    world, meant = World(), ADMIN[label]
    address = f"/admin/{label.replace('.', '/')}/{world.rows[side][label]}/"
    for person in PEOPLE:
        hidden = person.limited and side == "far" and not person.looks
        untouchable = person.limited and side == "far"
        client = world.client(person)
        for verb, least in (("change", meant.view), ("history", meant.view), ("delete", meant.delete)):
            answer = client.get(f"{address}{verb}/")
            opens = may_enter(person, least, meant)
            if opens and hidden:  # as of what does not exist
                assert (answer.status_code, answer["Location"]) == (302, "/admin/"), f"{person.name}: {verb}"
            else:
                check(person, answer, opens and not (verb == "delete" and untouchable), f"{label} {verb}")
        if may_enter(person, meant.view, meant) and not hidden:
            page = client.get(f"{address}change/").content.decode()
            changeable = may_enter(person, meant.change, meant) and not untouchable
            assert ('name="_save"' in page) == changeable, f"{person.name}: {label} {side}"


@pytest.mark.parametrize("label", sorted(MODELS))
def test_actions_are_offered_to_whom_they_are_meant_for(label: str) -> None:
    world, meant = World(), ADMIN[label]
    for person in PEOPLE:
        if not person.logged_in or not may_enter(person, meant.view, meant):
            continue
        request = RequestFactory().get("/")
        request.user = world.user(person)
        offered = set(MODELS[label].get_actions(request)) - {"delete_selected"}
        expected = {name for name, least in meant.actions.items() if may_enter(person, least)}
        if person.limited:
            expected -= {"purge"}
        assert offered == expected, f"{person.name}: {label}"


@pytest.mark.parametrize("address", sorted(OWN_ADDRESSES))
def test_own_addresses_open_to_whom_they_are_meant_to(address: str) -> None:
    world = World()
    for person in PEOPLE:
        opens = may_enter(person, Role.ADMINISTRATOR) and not person.limited
        answer = world.client(person).get(f"/admin/{address}")
        check(person, answer, opens, address, OWN_ADDRESSES[address])


@pytest.mark.parametrize(
    ("label", "action"),
    [
        ("monitoring.service", "start"),
        ("workstations.workstation", "scan"),
        ("operations.operation", "cancel"),
    ],
)
def test_an_action_on_what_is_out_of_reach_does_nothing(label: str, action: str) -> None:
    world = World()
    rows = {"operations.operation": "operation"}.get(label, label)
    for person in PEOPLE:
        if not (may_enter(person, Role.OPERATOR) and person.limited):
            continue
        for side in ("near", "far"):
            data = {"action": action, "_selected_action": [world.rows[side][rows]]}
            asked = rolled_back(partial(_asked, world, person, label, data))
            assert asked == (side == "near"), f"{person.name}: {label} {side}"


def _asked(world: World, person: Person, label: str, data: dict[str, Any]) -> bool:
    """Press, and return whether anything was asked for or cancelled."""
    before = list(Operation.objects.order_by("pk").values_list("pk", "status"))
    world.client(person).post(f"/admin/{label.replace('.', '/')}/", data)
    return before != list(Operation.objects.order_by("pk").values_list("pk", "status"))


def test_a_row_can_be_moved_neither_out_of_reach_nor_made_there() -> None:
    world = World()
    person = next(one for one in PEOPLE if one.name == "limited-administrator")
    client = world.client(person)
    service = Service.objects.get(pk=world.rows["near"]["monitoring.service"])
    answer = client.post(f"/admin/monitoring/service/{service.pk}/change/", {"group": "ledger"})
    assert "this is none of them" in answer.content.decode()
    workstation = {"name": "pc-new", "host": "10.0.0.9", "port": 5985, "tags": "hall-2"}
    answer = client.post("/admin/workstations/workstation/add/", workstation)
    assert "none of them is here" in answer.content.decode()
    patch = client.patch(
        f"/api/workstations/{world.rows['near']['workstation']}",
        {"tags": ["hall-2"]},
        content_type="application/json",
    )
    assert (patch.status_code, patch.json()["code"]) == (403, "out-of-reach")
    assert patch.json()["errors"]["tags"]
    assert Workstation.objects.get(pk=world.rows["near"]["workstation"]).tags == ["hall-1"]
    assert not Workstation.objects.filter(name="pc-new").exists()


def test_no_model_and_no_address_of_the_admin_is_missing_from_the_matrix() -> None:
    assert set(MODELS) == set(ADMIN)
    djangos = {
        "",
        "login/",
        "logout/",
        "password_change/",
        "password_change/done/",
        "autocomplete/",
        "jsi18n/",
    }
    usual = {"", "add/", "<path:object_id>/history/", "<path:object_id>/delete/", "<path:object_id>/change/"}
    usual |= {"<path:object_id>/", "<id>/password/"}
    models = {f"{label.replace('.', '/')}/" for label in MODELS}
    found = set()
    for route in routes(admin.site.urls[0]):
        model = "/".join(route.split("/")[:2]) + "/"
        rest = route.removeprefix(model)
        if route in djangos or route.startswith("^(?P") or "r/<path:content_type_id>" in route:
            continue
        if "(?P<url>" in route or (model in models and rest in usual):
            continue
        found.add(route)
    assert found == set(OWN_ADDRESSES)
