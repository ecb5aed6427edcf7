"""No input whatever makes the check of a declaration fail instead of answering."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitoring.declaration import faults

# Text with lone surrogates and NUL characters: JSON can write both.
texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["", "/", "/etc", "a/b", "\0", "http://[", "http://x:99999999", "x" * 5000, "../" * 2000, "\udcff"]
)
json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@dataclass
class Anything:
    command: Any
    cwd: str
    env: Any
    user: str
    umask: str
    ports: Any
    success_exit_codes: Any
    stop_signal: str
    health_kind: str
    health_url: str
    health_port: int | None


declarations = st.builds(
    Anything,
    command=json_like | st.lists(texts, max_size=3),
    cwd=texts,
    env=json_like | st.dictionaries(texts, json_like, max_size=3),
    user=texts,
    umask=texts,
    ports=json_like | st.lists(st.integers(), max_size=3),
    success_exit_codes=json_like,
    stop_signal=texts,
    health_kind=st.sampled_from(["none", "http", "tcp", "odd"]),
    health_url=texts,
    health_port=st.none() | st.integers(),
)


@given(declarations)
def test_any_declaration_gets_an_answer(declared: Anything) -> None:
    found = faults(declared)
    assert set(found) <= set(Anything.__dataclass_fields__)
    assert all(message and isinstance(message, str) for messages in found.values() for message in messages)
