"""Who of a group may be replaced now, so that enough of it stays up. Pure.

Asked for rolling restarts and for recycling alike. A group is what carries the same group label; where a
service has none, its copies. Three rules: so many others as ``min_ready`` says have to be ready; without
``min_ready`` a rolling restart goes one by one; recycling goes one by one where ``min_ready`` is set, and
needs no leave where it is not.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitoring.per_copy import original_key
from monitoring.states import Health, Intent, State
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.records import Order
from monitoring.supervisor.situation import After
from monitoring.supervisor.spec import ServiceSpec


@dataclass(frozen=True, slots=True)
class Member:
    """One service of a group at one moment."""

    key: str
    name: str
    ready: bool
    """RUNNING, not unhealthy, and not about to be stopped."""
    replacing: bool
    """A new process is taking the place of its old one just now."""
    wanted: bool
    """It is wanted up, so it may become ready."""
    min_ready: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """Whether a service may be replaced now. ``why`` says in words why not."""

    granted: bool
    why: str = ""
    never: bool = False
    """Waiting would not help: somebody has to do something first."""


GRANTED = Leave(granted=True)


def group_of(spec: ServiceSpec) -> str:
    """Return what services that stand in for each other have in common."""
    return f"group {spec.group}" if spec.group else f"copies of {original_key(spec.key, spec.instance)}"


def member(entry: Entry, *, replacing: bool = False, leaving: bool = False) -> Member:
    """Return what counts of ``entry``.

    ``replacing``: it is known to be so, even if its process has not been stopped yet; ``leaving``: it has
    been asked to stop.
    """
    s = entry.situation
    under_way = s.state is State.STARTING or (
        s.state is State.STOPPING and s.after in (After.START, After.RETRY) and s.intent is Intent.UP
    )
    replacing = replacing or under_way
    return Member(
        key=entry.key,
        name=entry.spec.name,
        ready=s.state is State.RUNNING and s.health is not Health.UNHEALTHY and not (replacing or leaving),
        replacing=replacing,
        wanted=s.intent is Intent.UP and not leaving and not entry.deleted,
        min_ready=entry.spec.limits.min_ready,
    )


def others(entry: Entry, entries: Iterable[Entry]) -> list[Entry]:
    """Return the rest of the group of ``entry``. Looks at every one of ``entries`` once."""
    group = group_of(entry.spec)
    return [one for one in entries if one is not entry and not one.deleted and group_of(one.spec) == group]


def may_replace(one: Member, rest: Iterable[Member], *, rolling: bool = False) -> Leave:
    """Return whether ``one`` may be replaced now; ``rest`` are the others of its group.

    ``rolling``: for a rolling restart, else for recycling. What is not ready itself takes nothing away from
    the group: ``min_ready`` does not keep it from a new process.
    """
    rest = list(rest)
    busy = [other for other in rest if other.replacing]
    one_by_one = not one.min_ready if rolling else bool(one.min_ready)
    if busy and one_by_one:
        return Leave(granted=False, why=f"{_being_restarted(busy)}")
    if not one.min_ready or not one.ready:
        return GRANTED
    ready = sum(other.ready for other in rest)
    if ready >= one.min_ready:
        return GRANTED
    wanted = sum(other.wanted for other in rest)
    never = wanted < one.min_ready
    some = "1 other of its group has" if one.min_ready == 1 else f"{one.min_ready} others of its group have"
    there = f"{_count(wanted)} wanted up" if never else _count(ready)
    return Leave(granted=False, never=never, why=f"{some} to be ready, and {there}")


def _count(number: int) -> str:
    return f"{number} are" if number > 1 else f"{number or 'none'} is"


@dataclass(frozen=True, slots=True)
class Standing:
    """What operators have asked for that counts for a group: keys of services."""

    restarting: Mapping[str, Order]
    """Restarts that have begun and whose services are not ready again."""
    stopping: frozenset[str]
    """Stops that have begun."""


def turns(
    waiting: Sequence[Order], standing: Standing, entries: Mapping[str, Entry]
) -> Iterator[tuple[Order, Leave]]:
    """Yield of each rolling restart that waits, in this order, whether its turn has come.

    Beside the rules of a group: a roll of several groups goes one by one too, and what others of the roll
    depend on goes before them. Looks at every one of ``entries`` once.
    """
    restarting = dict(standing.restarting)
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries.values():
        if not entry.deleted:
            groups[group_of(entry.spec)].append(entry)
    unfinished = {(order.batch, order.key) for order in (*waiting, *restarting.values()) if order.batch}
    refused: dict[tuple[str, str], Leave] = {}
    for order in waiting:
        entry = entries[order.key]
        line = (order.batch or order.key, group_of(entry.spec))
        leave = refused.get(line)
        if leave is None:
            leave = _before(order, entry, unfinished, entries)
            if leave is None:
                rest = [
                    member(other, replacing=other.key in restarting, leaving=other.key in standing.stopping)
                    for other in groups[line[1]]
                    if other is not entry
                ]
                leave = _apart(order, line[1], restarting, entries) or may_replace(
                    member(entry), rest, rolling=True
                )
                if not leave.granted:
                    refused[line] = leave
        if leave.granted:
            restarting[order.key] = order
        yield order, leave


def _before(
    order: Order, entry: Entry, unfinished: set[tuple[str, str]], entries: Mapping[str, Entry]
) -> Leave | None:
    """Refuse what needs others of the same roll, which go first."""
    first = [
        need.service
        for need in entry.spec.needs
        if (order.batch, need.service) in unfinished and not _around(need.service, order.key, entries)
    ]
    if not first:
        return None
    goes = "goes" if len(first) == 1 else "go"
    return Leave(granted=False, why=f"{_listed(first, entries)} {goes} first")


def _around(start: str, goal: str, entries: Mapping[str, Entry]) -> bool:
    """Return whether ``start`` needs ``goal`` by some way: in a circle nobody could go first."""
    seen, ahead = set(), [start]
    while ahead:
        key = ahead.pop()
        if key == goal:
            return True
        if key not in seen and key in entries:
            seen.add(key)
            ahead += [need.service for need in entries[key].spec.needs]
    return False


def _apart(
    order: Order, group: str, restarting: Mapping[str, Order], entries: Mapping[str, Entry]
) -> Leave | None:
    """Refuse what is of another group than what the same roll is restarting just now."""
    busy = [
        other.key
        for other in restarting.values()
        if order.batch
        and other.batch == order.batch
        and other.key in entries
        and group_of(entries[other.key].spec) != group
    ]
    if not busy:
        return None
    return Leave(granted=False, why=_being_restarted([member(entries[key]) for key in busy]))


def _listed(keys: Iterable[str], entries: Mapping[str, Entry]) -> str:
    return " and ".join(sorted(entries[key].spec.name if key in entries else key for key in keys))


def _being_restarted(members: Sequence[Member]) -> str:
    names = " and ".join(sorted(one.name for one in members))
    return f"{names} {'is' if len(members) == 1 else 'are'} being restarted"
