"""The emulators of a workstation as they were listed at one moment. Pure."""

from collections.abc import Sequence

from workstations.ldplayer.list2 import Instance


class Listing:
    """What one reading showed."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        """Take the emulators in whatever order."""
        self.instances = tuple(instances)

    @property
    def indexes(self) -> frozenset[int]:
        """Return the indexes that are taken: with holes, since a deleted one leaves one."""
        return frozenset(one.index for one in self.instances)

    def at(self, index: int) -> Instance | None:
        """Return what has ``index``; None where nothing has."""
        return next((one for one in self.instances if one.index == index), None)

    def titled(self, title: str) -> list[Instance]:
        """Return those called ``title``: somebody may have made several."""
        return [one for one in self.instances if one.title == title]
