"""As which user and group a program starts, where that is another than the supervisor's own."""

import grp
import os
from dataclasses import dataclass

from monitoring.supervisor.child_environment import Account
from monitoring.supervisor.spawn_problems import GroupUnknown


@dataclass(frozen=True, slots=True)
class Switch:
    """What changes on the way into the program; None stays as it is."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None

    def __bool__(self) -> bool:
        """Return whether anything changes."""
        return self != STAY

    @property
    def all_groups(self) -> frozenset[int]:
        """Return the groups that the program will be in."""
        primary = os.getegid() if self.gid is None else self.gid
        return frozenset({primary, *(os.getgroups() if self.groups is None else self.groups)})


STAY = Switch()


def switch_to(who: Account | None, group: str) -> Switch:
    """Return what has to change to run as ``who`` (None: as we do) with ``group`` ("": the account's own).

    Raises SpawnError group-unknown where this machine has no such group.
    """
    user = who if who is not None and who.needs_switch else None
    if not group:
        return Switch(user.uid, user.gid, user.groups) if user is not None else STAY
    try:
        gid = grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):
        raise GroupUnknown(
            f"There is no group {group!r} on this machine. Create it, or choose another group.",
        ) from None
    if user is not None:
        return Switch(user.uid, gid, tuple(os.getgrouplist(user.name, gid)))
    return STAY if gid == os.getegid() else Switch(gid=gid)
