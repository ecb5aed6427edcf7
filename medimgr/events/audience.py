"""Who hears of an event among those who are limited to some labels. Pure.

An event has the labels of what it is about (:mod:`medimgr.lib.scope`). Where that has just lost some, as a
service that was put into another group, it has those too, marked: whoever had it in sight by one of them is
told that it is gone, and not what has become of it.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from medimgr.lib.scope import Labels, Scope, read, stored

GONE = {"deleted": True}
"""What is said of something that is out of somebody's sight from now on: as if it were deleted."""
Told = Callable[[Scope], bytes | None]
"""Returns a message as somebody with a scope gets it; None where he gets nothing."""
_MARK = "-"
"""Before a label that was lost. No label begins with it."""


class Hearing(Enum):
    """What somebody hears of an event."""

    NOTHING = auto()
    ALL = auto()
    LOSS = auto()
    """That there is no such thing any more, as far as he is concerned."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The labels of an event."""

    labels: Labels = frozenset()
    left: Labels = frozenset()
    """Those that what it is about had until now, and has no more."""

    def column(self) -> str:
        """Return it as the event log stores it; :func:`audience_of` reads it."""
        return stored([*self.labels, *_marked(self.left - self.labels)])

    def hearing(self, scope: Scope) -> Hearing:
        """Return what somebody with ``scope`` hears."""
        if scope.shows(self.labels):
            return Hearing.ALL
        return Hearing.LOSS if scope.reaches(self.left) else Hearing.NOTHING


@functools.lru_cache(1024)
def audience_of(column: str) -> Audience:
    """Return the audience that a column holds. Remembered: a log has few different ones."""
    found = read(column)
    left = {label for label in found if label.startswith(_MARK)}
    return Audience(found - left, frozenset(label.removeprefix(_MARK) for label in left))


def marks_of(labels: Labels) -> Labels:
    """Return what a column holds one of where somebody limited to ``labels`` hears anything at all."""
    return labels.union(_marked(labels))


def _marked(labels: Iterable[str]) -> list[str]:
    return [f"{_MARK}{label}" for label in labels]
