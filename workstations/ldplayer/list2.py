"""What ``ldconsole list2`` prints: a line for each emulator, quoting nothing. Pure.

LDPlayer 9 and 14 print ten columns, LDPlayer 3 and 4 the first seven::

    index, title, top window, bind window, android, pid, vbox pid, width, height, dpi

A title may hold commas. So the index is read from the left, the integers from the right, and the title is
what is left between them. Indexes have holes after a delete: the number of a line is not an index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workstations.exceptions import OutputNotUnderstood
from workstations.states import EmulatorState

STOPPED, STARTED, STARTING = 0, 1, 2
"""The column ``android``. LDPlayer 3 and 4 never say 2."""

_LARGEST = 2**31 - 1
_LARGEST_ID = 2**63 - 1
_TEN, _SEVEN = 10, 7
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Instance:
    """One line of the list."""

    index: int
    title: str
    top_window: int
    """Handle of its window, 0 where it has none; likewise the next."""
    bind_window: int
    android: int
    """``STOPPED``, ``STARTED`` or ``STARTING``, as it says of itself."""
    pid: int
    """Of the player's process; -1 where there is none."""
    vbox_pid: int
    """Of the virtual machine's process; -1 where there is none."""
    width: int | None = None
    """In pixels; None: LDPlayer does not tell (seven columns). 0 while it is being copied."""
    height: int | None = None
    dpi: int | None = None

    @property
    def has_player(self) -> bool:
        """Return whether it has a process of its own."""
        return self.pid > 0

    @property
    def has_machine(self) -> bool:
        """Return whether it has a virtual machine."""
        return self.vbox_pid > 0

    @property
    def at_rest(self) -> bool:
        """Return whether nothing of it runs: it may be copied, changed and removed."""
        return self.android == STOPPED and not self.has_player and not self.has_machine

    @property
    def whole(self) -> bool:
        """Return whether it is no copy under way, nor half of one. True where LDPlayer does not tell."""
        return self.width is None or (self.width > 0 and (self.height or 0) > 0)


def state_of(instance: Instance) -> EmulatorState:
    """Return what the emulator is in.

    "Started" alone proves nothing: with a wedged VirtualBox it says so without a virtual machine.
    """
    if instance.android == STARTING:
        return EmulatorState.STARTING
    if instance.android == STARTED:
        return EmulatorState.RUNNING if instance.has_machine else EmulatorState.ZOMBIE
    if instance.width is None and (instance.has_player or instance.has_machine):
        # Seven columns have no word for starting. One that is ending looks the same for a few seconds.
        return EmulatorState.STARTING
    return EmulatorState.ZOMBIE if instance.has_machine else EmulatorState.STOPPED


def parse(text: str) -> list[Instance]:
    """Return the emulators in ``text``, in its order.

    Raises OutputNotUnderstood naming the line, also where two lines have the same index. The columns are
    seven where not every line can be read as ten.
    """
    # Not splitlines(), which splits at characters that titles may have.
    lines = [
        (number, line)
        for number, line in enumerate((raw.removesuffix("\r") for raw in text.split("\n")), start=1)
        if line.strip()
    ]
    as_ten = _read(lines, _TEN)
    as_seven = as_ten if len(as_ten) == len(lines) else _read(lines, _SEVEN)
    found = max(as_ten, as_seven, key=len)
    if len(found) < len(lines):
        number, line = lines[len(found)]
        raise OutputNotUnderstood(
            f"Line {number} of what ldconsole list2 printed is not understood: {_shown(line)}. Expected "
            "are an index, a title, and eight numbers after it (five of LDPlayer 3 and 4)."
        )
    return _without_doubles(lines, found)


def _read(lines: Sequence[tuple[int, str]], columns: int) -> list[Instance]:
    """Return what is on the lines before the first that can't be read in that many columns."""
    found = []
    for _, line in lines:
        instance = _instance(line, columns)
        if instance is None:
            break
        found.append(instance)
    return found


def _without_doubles(lines: Sequence[tuple[int, str]], found: list[Instance]) -> list[Instance]:
    seen: dict[int, int] = {}
    for (number, _), instance in zip(lines, found, strict=True):
        first = seen.setdefault(instance.index, number)
        if first != number:
            raise OutputNotUnderstood(
                f"Lines {first} and {number} of what ldconsole list2 printed have the same index, "
                f"{instance.index}."
            )
    return found


def _instance(line: str, columns: int) -> Instance | None:
    index, _, rest = line.partition(",")
    title, *numbers = rest.rsplit(",", columns - 2)
    if len(numbers) != columns - 2 or not all(_INTEGER.fullmatch(word) for word in (index, *numbers)):
        return None
    instance = Instance(int(index), title, *(int(number) for number in numbers))
    return instance if _plausible(instance) else None


def _plausible(instance: Instance) -> bool:
    sizes = [size for size in (instance.width, instance.height, instance.dpi) if size is not None]
    return (
        0 <= instance.index <= _LARGEST
        and instance.android in (STOPPED, STARTED, STARTING)
        and all(-1 <= process <= _LARGEST_ID for process in (instance.pid, instance.vbox_pid))
        and all(0 <= size <= _LARGEST for size in sizes)
    )


def _shown(line: str) -> str:
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…")
