"""What is different between the emulators that are stored and those that were just read. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workstations.ldplayer.configs import Config
from workstations.ldplayer.list2 import Instance, state_of
from workstations.ldplayer.names import kept_title
from workstations.models import Emulator
from workstations.states import EmulatorState

READ_FIELDS = ("title", "state", "pid", "vbox_pid", "width", "height", "dpi", "cpu", "memory_mb")
"""The columns that a reading fills."""
_SIZE = ("width", "height", "dpi")


@dataclass(frozen=True, slots=True)
class Found:
    """An emulator as a reading and its config show it, in the form that rows have."""

    index: int
    title: str
    state: EmulatorState
    pid: int | None
    vbox_pid: int | None
    width: int | None
    height: int | None
    dpi: int | None
    cpu: int | None = None
    memory_mb: int | None = None
    asked_config: bool = False
    """Whether its config was read, so that an empty ``cpu`` or ``memory_mb`` means that it has none."""

    @property
    def size(self) -> tuple[int | None, ...]:
        """Return width, height and density."""
        return self.width, self.height, self.dpi


@dataclass(frozen=True, slots=True)
class Alteration:
    """One line of history: what of an emulator changed, from what to what."""

    index: int
    title: str
    what: str
    before: str = ""
    after: str = ""


@dataclass
class Differences:
    """What has to be written, and what is to be told of it."""

    new: list[Found] = field(default_factory=list)
    changed: list[tuple[Emulator, Found]] = field(default_factory=list)
    gone: list[Emulator] = field(default_factory=list)
    alterations: list[Alteration] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is anything."""
        return bool(self.new or self.changed or self.gone)


def found(instance: Instance, config: Config | None) -> Found:
    """Return the emulator that a line of the list, and its config where it was read, show."""
    one = Found(
        index=instance.index,
        title=kept_title(instance.title),
        state=state_of(instance),
        pid=instance.pid if instance.has_player else None,
        vbox_pid=instance.vbox_pid if instance.has_machine else None,
        width=instance.width or None,
        height=instance.height or None,
        dpi=instance.dpi or None,
    )
    if config is None or config.fault:
        return one
    one = replace(one, cpu=config.cpu, memory_mb=config.memory_mb, asked_config=True)
    if instance.width is None:  # seven columns
        one = replace(one, width=config.width, height=config.height, dpi=config.dpi)
    return one


def compare(
    rows: Iterable[Emulator], instances: Iterable[Instance], configs: Mapping[int, Config] | None
) -> Differences:
    """Return what has to be done to ``rows`` so that they are what was read.

    An index that holds another emulator than before is one that went and one that came, so that
    nothing that was asked for the first is done to the second.
    """
    by_index = {row.index: row for row in rows}
    titles = {row.title: row.index for row in by_index.values()}
    result = Differences()
    for instance in instances:
        one = found(instance, (configs or {}).get(instance.index))
        row = by_index.pop(one.index, None)
        if row is not None and not _same(row, one, titles):
            result.gone.append(row)
            row = None
        if row is None:
            result.new.append(one)
            continue
        one = _completed(one, row, instance)
        if any(getattr(row, name) != getattr(one, name) for name in READ_FIELDS):
            result.changed.append((row, one))
    result.gone += by_index.values()
    result.alterations = [
        *(Alteration(row.index, row.title, "gone", before=str(last_known(row))) for row in result.gone),
        *(Alteration(one.index, one.title, "found", after=str(one.state)) for one in result.new),
        *(line for row, one in result.changed for line in _alterations(row, one)),
    ]
    return result


def last_known(row: Emulator) -> EmulatorState:
    """Return what an emulator was in before its workstation could not be read any more."""
    if row.state != EmulatorState.UNKNOWN:
        return EmulatorState(row.state)
    return EmulatorState.RUNNING if row.vbox_pid else EmulatorState.STOPPED


def _same(row: Emulator, one: Found, titles: Mapping[str, int]) -> bool:
    """Return whether it is still the same emulator at that index.

    Its title may have been changed outside. It is another one where its title stood at another index
    before, or where nothing that would outlive a renaming is as it was.
    """
    if row.title == one.title or (row.pid is not None and row.pid == one.pid):
        return True
    if one.title in titles:
        return False
    # An empty value is one that was not told: it speaks neither for nor against.
    kept = [(getattr(row, name), getattr(one, name)) for name in (*_SIZE, "cpu", "memory_mb")]
    return all(before == after for before, after in kept if None not in (before, after))


def _completed(one: Found, row: Emulator, instance: Instance) -> Found:
    """Return it with what was not asked this time as it was."""
    if not one.asked_config:
        one = replace(one, cpu=row.cpu, memory_mb=row.memory_mb)
        if instance.width is None:
            one = replace(one, width=row.width, height=row.height, dpi=row.dpi)
    return one


def _alterations(row: Emulator, one: Found) -> list[Alteration]:
    pairs: list[tuple[str, Any, Any]] = [
        ("title", row.title, one.title),
        ("state", last_known(row), one.state),
        ("size", _size(row.width, row.height, row.dpi), _size(*one.size)),
        ("cpu", row.cpu, one.cpu),
        ("memory", row.memory_mb, one.memory_mb),
    ]
    return [
        Alteration(one.index, one.title, what, _text(before), _text(after))
        for what, before, after in pairs
        if before != after
    ]


def _size(width: int | None, height: int | None, dpi: int | None) -> str:
    if not width or not height:
        return ""
    return f"{width}×{height}, {dpi} dpi" if dpi else f"{width}×{height}"


def _text(value: object) -> str:
    return "" if value is None else str(value)
