"""Bodies of any kind: what is no JSON, too deep, half a character or another type is refused in words."""

import json
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from medimgr.api_bodies import DEEPEST, NotJson, read_json
from operations.models import Operation
from tests.api import assert_problem, client_of
from tests.factories import make_service

START = "/api/services/sleeper/start"


def nested(levels: int) -> bytes:
    return b'{"reason": ' + b"[" * levels + b"]" * levels + b"}"


@pytest.fixture
def operator(alice: User) -> Client:
    make_service("sleeper")
    return client_of(alice)


def send(client: Client, body: bytes, kind: str = "application/json", path: str = START) -> Any:
    return client.generic("POST", path, body, content_type=kind)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"\x00",
        b'{"reason": NaN}',
        b'{"reason": Infinity}',
        b'{"reason": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"reason": ' + b"9" * 5000 + b"}",
        nested(DEEPEST),
        nested(900),
        nested(100_000),
    ],
)
def test_what_is_no_json_that_can_be_stored_is_refused(operator: Client, body: bytes) -> None:
    assert_problem(send(operator, body), 400, "bad-json")
    assert not Operation.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [b'{"reason": "a\\u0000b"}', b"[]", b"1", b'"x"', b'{"reason": 1}', b'{"reason": null}', b'{"x": 1}'],
)
def test_json_that_does_not_fit_is_told_field_by_field(operator: Client, body: bytes) -> None:
    assert assert_problem(send(operator, body), 422, "invalid")["errors"]
    assert not Operation.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/octet-stream", "text/html; charset=x", "nonsense"]
)
def test_a_body_of_another_type_is_refused(operator: Client, kind: str) -> None:
    problem = assert_problem(send(operator, b'{"reason": "x"}', kind), 415, "unsupported-media-type")
    assert "application/json" in problem["detail"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json; charset=utf-8", b'{"reason": "x"}'),
        ("application/merge-patch+json", b'{"reason": "x"}'),
        ("APPLICATION/JSON", b'{"reason": "x"}'),
        ("application/x-www-form-urlencoded", b"reason=x"),
    ],
)
def test_json_by_any_of_its_names_and_forms_are_read(operator: Client, kind: str, body: bytes) -> None:
    answer = send(operator, body, kind)
    assert answer.status_code == 202, answer.content
    assert answer.json()["operation"]["reason"] == "x"


@pytest.mark.django_db
@pytest.mark.parametrize("path", [START, "/api/services/import"])
@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 300,
        "multipart/form-data; boundary=\u00e4",
        "application/x-www-form-urlencoded; charset=utf-16",
    ],
)
def test_a_form_that_cannot_be_read_is_refused(operator: Client, path: str, kind: str) -> None:
    assert_problem(send(operator, b"reason=x", kind, path), 400, "bad-request")


@pytest.mark.django_db
def test_a_form_of_too_many_fields_is_refused(operator: Client) -> None:
    body = "&".join(f"f{n}=1" for n in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)).encode()
    assert_problem(send(operator, body, "application/x-www-form-urlencoded"), 400, "bad-request")


@pytest.mark.django_db
def test_many_wrong_fields_are_told_without_saying_them_all_in_one_sentence(operator: Client) -> None:
    wrong = {f"f{n}": 1 for n in range(200)}
    problem = assert_problem(send(operator, json.dumps(wrong).encode()), 422, "invalid")
    assert len(problem["detail"]) < 300
    assert "and 190 more" in problem["detail"]
    assert len(problem["errors"]) == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_that_is_not_too_deep_is_read_as_it_is(value: Any) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character
        with pytest.raises(NotJson):
            read_json(json.dumps(value).encode())
    else:
        assert read_json(text) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(NotJson):
        read_json(body)
