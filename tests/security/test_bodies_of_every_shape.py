"""Bodies that are deep, large, packed, doubled or no numbers, at every door that takes one: a 4xx, soon."""

import gzip
import json
import time
import tracemalloc

import pytest
from django.test import Client, override_settings

from tests.medimgr.doors import API, PAGES
from tests.medimgr.doors_world import PEOPLE, World, rolled_back

pytestmark = pytest.mark.django_db

MB = 1_048_576
DEEP = 100_000
SECONDS = 3.0
"""For any one of them, on a busy machine."""
BODIES: dict[str, tuple[str, bytes]] = {
    "deep lists": ("application/json", b"[" * DEEP + b"]" * DEEP),
    "deep objects": ("application/json", b'{"reason":' * DEEP + b"1" + b"}" * DEEP),
    "depth that never ends": ("application/json", b"[" * DEEP),
    "a huge number": ("application/json", b'{"reason": 1' + b"0" * 100_000 + b"}"),
    "a huge exponent": ("application/json", b'{"reason": 1e999999999, "priority": 1e400}'),
    "a string of two megabytes": ("application/json", b'{"reason": "' + b"x" * 2 * MB + b'"}'),
    "three thousand fields": ("application/json", json.dumps({f"f{n}": n for n in range(3000)}).encode()),
    "packed": ("application/json", gzip.compress(b'{"reason": "' + b"x" * 10 * MB + b'"}')),
    "an object where a text belongs": ("application/json", b'{"reason": {"$ne": null}, "action": ["start"]}'),
    "ten thousand fields of a form": ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 10_000)),
    "ten megabytes": ("application/json", b'{"reason": "' + b"x" * 10 * MB + b'"}'),
    "ten megabytes of a form": ("application/x-www-form-urlencoded", b"reason=" + b"x" * 10 * MB),
    "a thousand files": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\nx\r\n' * 1000
        + b"--b--\r\n",
    ),
    "a file's name that climbs, with a NUL": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="reason"; filename="../\0etc"\r\n\r\nx\r\n--b--\r\n',
    ),
}
DOORS = [door for door in API if door.method != "GET"]
FORMS = (
    "/login/",
    "/admin/login/",
    "/admin/monitoring/service/add/",
    "/admin/monitoring/service/import/",
    "/admin/workstations/workstation/add/",
    "/admin/auth/user/add/",
    "/admin/auth/group/add/",
    "/admin/accounts/machinetoken/add/",
    "/admin/operations/operation/purge/",
    "/admin/operations/operation/",
    "/events/disconnect/",
    "/events/pages/",
)


@pytest.fixture
def world() -> World:
    return World()


def client_of(world: World) -> Client:
    client = world.client(next(person for person in PEOPLE if person.name == "superuser"))
    client.raise_request_exception = False
    return client


def sent(client: Client, method: str, address: str, name: str, **headers: str) -> tuple[int, float]:
    kind, body = BODIES[name]
    if name == "packed":
        headers["Content-Encoding"] = "gzip"
    began = time.monotonic()
    answer = rolled_back(lambda: client.generic(method, address, body, content_type=kind, headers=headers))
    return answer.status_code, time.monotonic() - began


@pytest.mark.parametrize("name", BODIES)
@override_settings(MEDIMGR_TOKEN_KEYS=("k" * 40,))
def test_every_door_of_the_api_refuses_it_soon(name: str, world: World) -> None:
    client = client_of(world)
    for door in DOORS:
        status, seconds = sent(client, door.method, world.called(door.address, "near"), name)
        told = f"{door}: {status} after {seconds:.1f} s"
        assert status < 500, told
        assert seconds < SECONDS, told
        if door.method == "POST" and door.body:
            assert status >= 400, told


@pytest.mark.parametrize("name", BODIES)
def test_every_form_refuses_it_soon(name: str, world: World) -> None:
    client = client_of(world)
    for address in FORMS:
        status, seconds = sent(client, "POST", address, name)
        assert status < 500, f"{address}: {status}"
        assert seconds < SECONDS, f"{address}: {seconds:.1f} s"


def test_what_is_deep_takes_no_memory_beyond_its_own(world: World) -> None:
    client = client_of(world)
    client.get("/api/services")
    tracemalloc.start()
    try:
        for name in ("deep lists", "deep objects", "a huge number", "three thousand fields"):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            sent(client, "POST", "/api/operations", name)
            assert tracemalloc.get_traced_memory()[1] - before < 30 * MB, name
    finally:
        tracemalloc.stop()


def test_of_two_fields_with_one_name_there_is_one_meaning(world: World) -> None:
    """Whoever stands in front and reads the first may let something else through."""
    address = world.called("/api/services/{service}/auto-recovery", "near")
    answer = rolled_back(
        lambda: client_of(world).generic(
            "POST", address, b'{"enabled": true, "enabled": "no such"}', content_type="application/json"
        )
    )
    assert answer.status_code in (400, 422)


def test_thousands_of_parameters_and_long_ones_are_no_trouble(world: World) -> None:
    client = client_of(world)
    many = "&".join(f"p{n}=1&limit={n}&search=x" for n in range(1000))
    names = ("limit", "offset", "search", "status", "after", "before")
    long = "&".join(f"{name}={'9' * 5000}" for name in names)
    for door in (*API, *PAGES):
        if door.method != "GET":
            continue
        address = world.called(door.address, "near")
        for query in (many, long):
            began = time.monotonic()
            answer = client.get(f"{address}?{query}")
            assert answer.status_code < 500, f"{address}: {answer.status_code}"
            assert time.monotonic() - began < SECONDS, address


def test_there_is_something_to_send() -> None:
    assert len({door.address for door in DOORS}) > 30
