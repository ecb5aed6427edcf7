"""No input whatever makes the check of a declaration fail instead of answering."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.declaration import faults, shared_ports
from monitoring.declaration.declared import Declared
from monitoring.declaration.patterns import pattern_fault
from monitoring.importers.document import FIELDS
from monitoring.models import Service
from tests.monitoring.declarations import declared

# Text with lone surrogates and NUL characters: JSON can write both.
texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    [
        *("", "/", "/etc", "a/b", "\0", "http://[", "http://x:99999999", "x" * 5000, "../" * 2000, "\udcff"),
        *("SIGTERM", "unlimited", "* * * * *", "Europe/Berlin", "../../etc/passwd", "(((", "{port}", "none"),
    ]
)
numbers = st.integers() | st.sampled_from([0, 1, 2, 255, 65535, 65536, 10**30, -(10**30), 10**400])
json_like = st.recursive(
    st.none() | st.booleans() | numbers | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
likely = (
    st.lists(texts, max_size=3)
    | st.lists(st.integers(-1, 300), max_size=3)
    | st.dictionaries(st.sampled_from(["nofile", "core", "X"]), json_like, max_size=3)
)
declarations = st.dictionaries(st.sampled_from(sorted(FIELDS)), json_like | likely, max_size=8)
KINDS = st.fixed_dictionaries(
    {
        "health_kind": st.sampled_from(["none", "http", "tcp", "exec", "log", "notify", "odd"]),
        "ready_kind": st.sampled_from(["auto", "http", "tcp", "log", "notify", "odd"]),
    }
)


@settings(max_examples=300, deadline=None)
@given(declarations, KINDS)
def test_any_declaration_gets_an_answer(fields: dict[str, Any], kinds: dict[str, str]) -> None:
    service = declared(**{**fields, **kinds})
    found = faults(service)
    assert set(found) <= set(Declared.__annotations__)
    assert all(message and isinstance(message, str) for messages in found.values() for message in messages)
    assert isinstance(shared_ports(service, {"other": declared(ports=[8001])}), list)


@pytest.mark.django_db
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), json_like | likely, st.sampled_from([1, 3]))
def test_any_value_in_any_field_is_taken_or_refused_in_words(field: str, value: Any, copies: int) -> None:
    """The model's own check too: a field's type, its range, the rules, and those for copies."""
    service = declared(**{"instances": copies, field: value})
    named = refusal(service)
    assert not named or field in named or named <= asked_for_by.get(field, set())


def refusal(service: Service) -> set[str]:
    """Return the fields that the model's own check names; whatever else it raises is a fault of ours."""
    try:
        service.full_clean(exclude={"node"}, validate_unique=False, validate_constraints=False)
    except ValidationError as refused:
        return set(refused.message_dict)
    return set()


# A kind needs its URL, port, command or pattern.
asked_for_by = {
    "health_kind": {"health_url", "health_port", "health_command"},
    "ready_kind": {"ready_url", "ready_port", "ready_pattern"},
    "ports": {"port_step"},
}


@given(texts)
def test_any_pattern_gets_an_answer(pattern: str) -> None:
    assert isinstance(pattern_fault(pattern), str)


@pytest.mark.parametrize("field", sorted(Declared.__annotations__))
def test_what_the_rules_look_at_is_a_field_of_the_model(field: str) -> None:
    assert hasattr(declared(), field)


@pytest.mark.django_db
@pytest.mark.parametrize("field", sorted(FIELDS))
@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), None, [], {}, "", "x\0y"])
def test_a_monstrous_value_in_any_field_is_taken_or_refused(field: str, value: Any) -> None:
    for copies in (1, 3):
        named = refusal(declared(**{"instances": copies, field: value}))
        assert not named or field in named or named <= asked_for_by.get(field, set())
