"""Every verb by every role at every door: pages and API here, the admin in ``test_matrix_admin``."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver

from medimgr.api import api
from medimgr.lib.roles import Role
from operations.models import Batch
from tests.medimgr.doors import ANYBODY, API, ELSEWHERE, LOGGED_IN, PAGES, Door
from tests.medimgr.doors_world import FAR, NEAR, PEOPLE, Person, World, rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def may_enter(person: Person, door: Door) -> bool:
    """Return whether the role of ``person`` opens ``door``, limits aside."""
    if door.least == ANYBODY:
        return True
    if door.least == LOGGED_IN:
        return person.logged_in
    return person.rank >= list(Role).index(Role(door.least))


def sides(person: Person, door: Door) -> tuple[str, ...]:
    """Return where ``person`` tries it: who is let in nowhere tries it once."""
    return ("near", "far") if door.reach in ("row", "each") and may_enter(person, door) else ("near",)


def ask(world: World, person: Person, door: Door, side: str) -> Any:
    """Go through ``door`` as ``person``, and leave nothing behind."""
    address = world.called(door.address, side) + door.query
    client = world.client(person)

    def act() -> Any:
        if door.method == "GET":
            return client.get(address)
        return client.generic(
            door.method,
            address,
            b"" if door.body is None else _json(world.called(door.body, side)),
            content_type="application/json",
        )

    return rolled_back(act)


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def code_of(answer: Any) -> str:
    return str(answer.json()["code"])


def check_api(person: Person, door: Door, side: str, answer: Any) -> None:
    """Assert that ``answer`` is what ``person`` has to be told."""
    told = f"{person.name} at {door} ({side}): {answer.status_code} {answer.content[:300]!r}"
    if not may_enter(person, door):
        wanted = (403, "not-permitted") if person.logged_in else (401, "not-logged-in")
        assert (answer.status_code, code_of(answer)) == wanted, told
    elif person.limited and door.reach == "everything":
        assert (answer.status_code, code_of(answer)) == (403, "out-of-reach"), told
    elif person.limited and side == "far" and door.reach == "row":
        if door.method == "POST" and door.address == "/api/workstations":  # there is no row yet
            assert (answer.status_code, code_of(answer)) == (403, "out-of-reach"), told
        elif not person.looks:
            assert answer.status_code == 404, told
        elif door.looks:
            assert answer.status_code in door.opened, told
        else:
            assert (answer.status_code, code_of(answer)) == (403, "out-of-reach"), told
    else:
        assert answer.status_code in door.opened, told
        if door.reach == "each":
            check_each(person, door, side, answer)
        if door.reach in ("list", "each") and person.limited and not person.looks and side == "near":
            assert FAR not in answer.content.decode(), told


def check_each(person: Person, door: Door, side: str, answer: Any) -> None:
    """Assert that each target is judged on its own."""
    body = answer.json()
    done = body.get("operations") or body.get("ended")
    refused = [one["code"] for one in body["refused"]]
    if person.limited and side == "far":
        assert not done
        if person.looks:
            assert refused == ["out-of-reach"]
        else:
            unknown = {"unknown-service", "unknown-workstation", "unknown-emulator", "operation-gone"}
            assert len(refused) == 1
            assert refused[0] in unknown
    else:
        assert done
        assert not refused


@pytest.mark.parametrize("door", API, ids=str)
def test_the_api_opens_to_whom_it_is_meant_to(door: Door) -> None:
    world = World()
    for person in PEOPLE:
        for side in sides(person, door):
            check_api(person, door, side, ask(world, person, door, side))


@pytest.mark.parametrize("door", PAGES, ids=str)
def test_the_pages_open_to_whom_they_are_meant_to(door: Door) -> None:
    world = World()
    for person in PEOPLE:
        for side in sides(person, door):
            answer = ask(world, person, door, side)
            told = f"{person.name} at {door} ({side}): {answer.status_code}"
            if not person.logged_in or person.token:  # a token is for programs
                assert answer.status_code == 302, told
                assert "/login/" in answer["Location"], told
            elif not may_enter(person, door):
                assert answer.status_code == 403, told
            elif side == "far" and person.limited and not person.looks:
                assert answer.status_code == 404, told
            else:
                assert answer.status_code in door.opened, told
                if person.limited and not person.looks:
                    assert FAR not in answer.content.decode(), told


@pytest.mark.parametrize("door", [d for d in (*API, *PAGES) if d.reach == "list"], ids=str)
def test_lists_show_what_is_in_reach(door: Door) -> None:
    world = World()
    for person in PEOPLE:
        if not may_enter(person, door) or (person.token and door in PAGES):
            continue
        text = ask(world, person, door, "near").content.decode()
        if "/stats" not in door.address:
            assert NEAR in text, f"{person.name} at {door}"
            everything = not person.limited or (person.looks and door.least == Role.VIEWER)
            assert (FAR in text) == everything, f"{person.name} at {door}"


@pytest.mark.parametrize(
    "door", [d for d in API if d.reach == "row" and d.address != "/api/workstations"], ids=str
)
def test_what_is_out_of_sight_is_told_of_as_if_it_did_not_exist(door: Door) -> None:
    world = World()
    person = next(one for one in PEOPLE if one.name == "limited-administrator")
    hidden = ask(world, person, door, "far")
    nobodys = {
        name: 2**40 if isinstance(pk, int) else f"{FAR}-none" for name, pk in world.rows["far"].items()
    }
    names, world.rows["none"] = world.rows["far"], nobodys
    missing = ask(world, person, door, "none")
    assert hidden.status_code == missing.status_code == 404
    assert _without(hidden.json(), names) == _without(missing.json(), nobodys)


def _without(document: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    """Return a problem without what was asked for and when."""
    detail = document["detail"]
    for name in sorted(map(str, names.values()), key=len, reverse=True):
        detail = detail.replace(name, "?")
    return {**document, "detail": detail, "request_id": ""}


def test_counts_are_of_what_is_in_reach() -> None:
    world = World()
    person = next(one for one in PEOPLE if one.name == "limited-viewer")
    client = world.client(person)
    for address, count in (
        ("/api/services", 1),
        ("/api/workstations", 1),
        ("/api/emulators", 1),
        ("/api/operations", 2),
        ("/api/operations/batches", 1),
        (f"/api/operations?requested_by={FAR}-requester", 0),
        (f"/api/operations?target=service:{FAR}-service", 0),
        (f"/api/operations?batch={FAR}-batch", 0),
        ("/api/workstations?tag=hall-2", 0),
        (f"/api/workstations?search={FAR}", 0),
        ("/api/emulators?tag=hall-2", 0),
        (f"/api/emulators?workstation={world.rows['far']['workstation']}", 0),
        ("/api/services?group=ledger", 0),
    ):
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert answer.json()["count"] == count, address
    stats = client.get("/api/operations/stats").json()
    assert (stats["total"], stats["by_status"]["FAILED"], stats["sampled"]) == (2, 1, 1)
    sentence = client.get("/monitoring/").content.decode()
    assert "The one service" in sentence or "1 of 1" in sentence or "No supervisor" in sentence


def test_what_a_batch_was_refused_is_told_to_who_asked_and_to_who_sees_everything() -> None:
    world = World()
    refused = [{"target": f"service:{FAR}-service", "code": "unknown-service", "detail": "There is none."}]
    Batch.objects.filter(pk=world.rows["near"]["batch"]).update(refused=refused)
    address = world.called("/api/operations/batches/{batch}", "near")
    for person in PEOPLE:
        if person.rank < 0:
            continue
        client = world.client(person)
        seen = [client.get(address).json()["refused"]]
        listed = client.get("/api/operations/batches").json()["items"]
        seen += [one["refused"] for one in listed if one["id"] == world.rows["near"]["batch"]]
        assert seen == [[] if person.limited and not person.looks else refused] * 2, person.name


def test_no_door_of_the_api_is_missing_from_the_matrix() -> None:
    described = {
        (method.upper(), _shape(path))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }
    assert described == {(door.method, _shape(door.address)) for door in API}


def _shape(path: str) -> str:
    parts = path.split("/")
    named = {"sessions.prune", "1"}  # in place of {name} and {connection_id}
    return "/".join("{}" if part.startswith("{") or part in named else part for part in parts)


def test_no_page_is_missing_from_the_matrix() -> None:
    found = {
        route for route in routes(get_resolver().url_patterns) if not route.startswith(("admin/", "api/"))
    }
    found -= set(ELSEWHERE)
    known = {_shape(door.address).strip("/") for door in PAGES}
    assert {_route_shape(route) for route in found} == known


def routes(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    """Return every route of a URLconf."""
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def _route_shape(route: str) -> str:
    return "/".join("{}" if part.startswith("<") else part for part in route.strip("/").split("/"))
