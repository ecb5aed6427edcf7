"""One look at the emulators of a workstation."""

from dataclasses import dataclass
from datetime import datetime

from workstations.ldplayer.list2 import Instance


@dataclass(frozen=True, slots=True)
class Reading:
    """The emulators that a list had, and since when that is true."""

    began_at: datetime
    """When it was asked for: of two readings the one that began later counts."""
    instances: tuple[Instance, ...]

    def at(self, index: int) -> Instance | None:
        """Return the emulator at ``index``, which is no position: indexes have holes."""
        return next((one for one in self.instances if one.index == index), None)

    def titled(self, title: str) -> list[Instance]:
        """Return those called ``title``: more than one may be."""
        return [one for one in self.instances if one.title == title]

    @property
    def indexes(self) -> frozenset[int]:
        """Return the indexes that are taken."""
        return frozenset(one.index for one in self.instances)
