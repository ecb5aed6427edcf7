"""Whether dependencies go round in a circle. Pure."""

from collections.abc import Iterable, Mapping


def cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the keys along one dependency cycle (first key repeated at the end), or an empty list."""
    done: set[str] = set()
    for start in sorted(edges):
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            key, leaving = stack.pop()
            if leaving:
                trail.pop()
                on_trail.discard(key)
                done.add(key)
                continue
            if key in on_trail:
                return [*trail[trail.index(key) :], key]
            if key in done:
                continue
            trail.append(key)
            on_trail.add(key)
            stack.append((key, True))
            stack.extend((needed, False) for needed in sorted(edges.get(key, ()), reverse=True))
    return []
