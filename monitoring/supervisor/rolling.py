"""Who of a group may be replaced now, so that enough of it stays up. Pure.

Asked for rolling restarts and for recycling alike. A group is what carries the same group label; where a
service has none, its copies. Three rules: so many others as ``min_ready`` says have to be ready; without
``min_ready`` a rolling restart goes one by one; recycling goes one by one where ``min_ready`` is set, and
needs no leave where it is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from monitoring.per_copy import original_key
from monitoring.states import Health, Intent, State
from monitoring.supervisor.entry import Entry
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
        return Leave(granted=False, why=f"{_names(busy)} {_is(busy)} being replaced")
    if not one.min_ready or not one.ready:
        return GRANTED
    ready = sum(other.ready for other in rest)
    if ready >= one.min_ready:
        return GRANTED
    wanted = sum(other.wanted for other in rest)
    if wanted < one.min_ready:
        return Leave(
            granted=False,
            never=True,
            why=f"{one.min_ready} others of its group have to be ready, and {wanted or 'none'} "
            f"{'is' if wanted < 2 else 'are'} wanted up",
        )
    return Leave(granted=False, why=f"{ready} of {one.min_ready} others that have to be ready are")


def _names(members: list[Member]) -> str:
    return " and ".join(sorted(other.name for other in members))


def _is(members: list[Member]) -> str:
    return "is" if len(members) == 1 else "are"
