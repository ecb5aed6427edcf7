"""When in an interval each workstation has its turn: pure."""

from collections.abc import Hashable

_GOLDEN = 0.6180339887498949


def turn(pk: int, spread_seconds: float) -> float:
    """Return how many seconds after the beat the workstation ``pk`` has its turn, below ``spread_seconds``.

    Always the same for a workstation, and evenly spread over any run of keys (Fibonacci hashing), so that
    a fleet is asked little by little and nobody's interval gets longer.
    """
    return pk * _GOLDEN % 1.0 * max(0.0, spread_seconds)


def beat(now: float, every_seconds: float) -> int:
    """Return the number of the interval that ``now``, a time of the wall clock, is in."""
    return int(now // every_seconds)


def left_until(pk: int, now: float, every_seconds: float, spread_seconds: float) -> float:
    """Return in how many seconds the workstation's turn in the present interval comes; 0: it has come."""
    begin = beat(now, every_seconds) * every_seconds
    return max(0.0, begin + turn(pk, spread_seconds) - now)


class Turns:
    """Which workstations have had their turn in an interval, so that a second run in it skips them.

    Kept by the process: another one, or this one after its start, begins with everybody.
    """

    def __init__(self) -> None:
        """Begin with nobody."""
        self._had: dict[int, Hashable] = {}

    def had(self, pk: int, interval: Hashable) -> bool:
        """Return whether ``pk`` has had its turn in ``interval``."""
        return self._had.get(pk) == interval

    def take(self, pk: int, interval: Hashable) -> None:
        """Note that ``pk`` has its turn in ``interval``."""
        self._had[pk] = interval

    def keep(self, pks: set[int]) -> None:
        """Forget all but ``pks``."""
        self._had = {pk: interval for pk, interval in self._had.items() if pk in pks}
