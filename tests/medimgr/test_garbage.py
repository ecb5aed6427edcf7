"""Memory is given back, though Python's own looks at everything have been turned off."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from medimgr import garbage
from medimgr.garbage import Garbage


class Knot:
    """A cycle, as a stream and its connection are."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def pythons_own_ways() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def knots(number: int) -> tuple[list[Knot], list["weakref.ref[Knot]"]]:
    made = [Knot() for _ in range(number)]
    return made, [weakref.ref(knot) for knot in made]


def alive(references: list["weakref.ref[Knot]"]) -> int:
    return sum(reference() is not None for reference in references)


def test_what_is_new_and_useless_goes_with_the_next_look() -> None:
    looking = Garbage(lambda: 0)
    looking.begin()
    made, references = knots(10)
    made.clear()
    looking.look()
    assert alive(references) == 0


def test_what_has_been_set_aside_goes_once_enough_streams_have_ended() -> None:
    ended = 0
    looking = Garbage(lambda: ended)
    looking.begin()
    made, references = knots(10)
    looking.look()
    made.clear()
    looking.look()
    assert alive(references) == 10, "it was set aside, and is not looked at again"
    ended = garbage.LEAST_ENDED
    looking.look()
    assert alive(references) == 0
    assert gc.get_freeze_count() > 0


def test_at_the_latest_it_goes_when_the_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    looking = Garbage(lambda: 0)
    looking.begin()
    made, references = knots(10)
    looking.look()
    made.clear()
    monkeypatch.setattr(garbage, "THOROUGH_SECONDS", 0.0)
    looking.look()
    assert alive(references) == 0


def test_python_looks_at_the_young_as_always() -> None:
    young, middle, _ = gc.get_threshold()
    Garbage(lambda: 0).begin()
    assert gc.get_threshold()[:2] == (young, middle)
    assert gc.isenabled()
