"""schemathesis over the whole description of the API: no 500, no undocumented status, no other shape.

Each method of each path gets what fits its description, what does not, and what nobody would think of, with
rows of everything behind it. The same on every run, since it is derandomized.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from django.db import transaction
from django.test import Client, override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from medimgr.api import api
from medimgr.lib.roles import Role
from tests.medimgr.doors_world import PEOPLE, Person, World

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("MEDIMGR_SCHEMA_EXAMPLES", "10"))
"""For each method of each path. More of them, by hand, find more."""
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(api.get_openapi_schema(path_prefix="/api/"))
OPERATIONS = {one.ok().label: one.ok() for one in SCHEMA.get_all_operations() if isinstance(one, Ok)}
ROWS = {
    "key": "service",
    "workstation_id": "workstation",
    "emulator_id": "emulator",
    "operation_id": "failed",
    "batch_id": "batch",
}
COMING_IN = ("superuser", "administrator-token")


def client_of(world: World, name: str) -> Client:
    """Return the client of an administrator, by session or by a token that may do as much."""
    if name == "superuser":
        person = next(one for one in PEOPLE if one.name == name)
    else:
        person = Person(name, Role.ADMINISTRATOR, token=True)
        world.add(person)
    client = world.client(person)
    client.raise_request_exception = False
    return client


def answered(client: Client, case: Case[Any]) -> Response:
    """Send ``case`` in this process, and leave the database as it was."""
    # Nobody carries out what is asked for, so an answer that waits would only take its time.
    if case.headers and "Prefer" in case.headers:
        case.headers["Prefer"] = "wait=0"
    sent = requests.Request(**case.as_transport_kwargs(base_url="http://testserver")).prepare()
    body = sent.body or b""
    headers = {
        name: value if isinstance(value, str) else value.decode("latin-1")
        for name, value in sent.headers.items()
        if name.lower() not in {"content-length", "content-type", "authorization", "cookie"}
    }
    kind = sent.headers.get("Content-Type", "")
    with transaction.atomic():
        got = client.generic(
            str(sent.method),
            sent.path_url,
            body.encode() if isinstance(body, str) else body,
            content_type=kind.decode("latin-1") if isinstance(kind, bytes) else kind,
            headers=headers,
        )
        content = b"".join(got.streaming_content) if got.streaming else got.content  # type: ignore[attr-defined]
        transaction.set_rollback(True)
    return Response(
        status_code=got.status_code,
        headers={name.lower(): [value] for name, value in got.items()},
        content=content,
        request=sent,
        elapsed=0.0,
        verify=False,
    )


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One for all: every request is rolled back, and so is the world."""
    with django_db_blocker.unblock(), override_settings(MEDIMGR_TOKEN_KEYS=("k" * 40,)), transaction.atomic():
        yield World()
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def clients(world: World) -> list[Client]:
    """Return all ways in."""
    return [client_of(world, name) for name in COMING_IN]


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_breaks_what_the_description_promises(
    label: str, world: World, clients: list[Client]
) -> None:
    operation = OPERATIONS[label]
    there = {
        parameter.name: str(world.rows["near"][ROWS[parameter.name]])
        for parameter in operation.path_parameters
        if parameter.name in ROWS
    }
    made = [
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE, path_parameters=there or None),
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE, path_parameters=there or None),
    ]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(made), client=st.sampled_from(clients))
    def holds(case: Case[Any], client: Client) -> None:
        case.validate_response(answered(client, case), checks=CHECKS)

    holds()


def test_no_path_is_left_out() -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in api.get_openapi_schema(path_prefix="/api/")["paths"].items()
        for method in methods
    }
    assert set(OPERATIONS) == described
