"""A cycle among dependencies is found and named."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from monitoring.declaration import cycle

keys = st.sampled_from("abcdef")


def test_a_cycle_is_named_with_its_first_key_repeated() -> None:
    assert cycle({"a": ["b"], "b": ["c"], "c": ["a"]}) == ["a", "b", "c", "a"]


def test_a_service_that_needs_itself_is_a_cycle() -> None:
    assert cycle({"a": ["a"]}) == ["a", "a"]


def test_a_diamond_is_no_cycle() -> None:
    assert cycle({"a": ["b", "c"], "b": ["d"], "c": ["d"]}) == []


@given(st.dictionaries(keys, st.lists(keys, unique=True)))
def test_what_is_found_is_a_path_of_real_edges_and_nothing_is_missed(
    edges: dict[str, list[str]],
) -> None:
    found = cycle(edges)
    if found:
        assert found[0] == found[-1]
        assert all(b in edges[a] for a, b in itertools.pairwise(found))
    else:
        reachable = {start: _reach(edges, start) for start in edges}
        assert all(start not in reached for start, reached in reachable.items())


def _reach(edges: dict[str, list[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(edges.get(start, []))
    while todo:
        key = todo.pop()
        if key not in seen:
            seen.add(key)
            todo.extend(edges.get(key, []))
    return seen
