"""What somebody may reach: all services and workstations, or those with certain labels. Pure.

A row has labels: a service the one of its group (``group:payments``), a workstation one for each of its tags
(``tag:lab``), an emulator those of its workstation, an operation those that its target had when it was asked
for. Labels do not tell upper from lower case.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Labels = frozenset[str]

_SEPARATOR = "\n"


def group_label(group: str) -> Labels:
    """Return the labels of a service in ``group``; none where it is in no group."""
    return frozenset({f"group:{group.casefold()}"}) if group else frozenset()


def tag_labels(tags: Iterable[str]) -> Labels:
    """Return the labels of a workstation with ``tags``."""
    return frozenset(f"tag:{tag.casefold()}" for tag in tags)


def stored(labels: Iterable[str]) -> str:
    """Return labels as a column holds them, each between separators, so that one can be looked for."""
    found = sorted(labels)
    return f"{_SEPARATOR}{_SEPARATOR.join(found)}{_SEPARATOR}" if found else ""


def read(column: str) -> Labels:
    """Return the labels in a column that :func:`stored` made."""
    return frozenset(part for part in column.split(_SEPARATOR) if part)


def needle(label: str) -> str:
    """Return what a column of :func:`stored` contains exactly where ``label`` is among its labels."""
    return f"{_SEPARATOR}{label}{_SEPARATOR}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the things that have labels somebody may reach. Permissions say what may be done to it."""

    labels: Labels | None = None
    """What one of its labels is among; None for everything."""
    sees_everything: bool = False
    """Whether the rest may be looked at, though nothing be done to it."""

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is out of reach."""
        return self.labels is None

    @property
    def hides_something(self) -> bool:
        """Return whether there is something that may not even be looked at."""
        return self.labels is not None and not self.sees_everything

    def reaches(self, labels: Labels) -> bool:
        """Return whether something with ``labels`` may be acted on."""
        return self.labels is None or not self.labels.isdisjoint(labels)

    def shows(self, labels: Labels) -> bool:
        """Return whether something with ``labels`` may be looked at."""
        return self.sees_everything or self.reaches(labels)

    def within(self, other: "Scope") -> "Scope":
        """Return what both allow: the scope of a token within that of its account."""
        if self.labels is None or other.labels is None:
            labels = other.labels if self.labels is None else self.labels
        else:
            labels = self.labels & other.labels
        sees = [one.sees_everything or one.is_everything for one in (self, other)]
        return Scope(labels, sees_everything=labels is not None and all(sees))


EVERYTHING = Scope()
NOTHING = Scope(frozenset())
