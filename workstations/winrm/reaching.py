"""A session with a workstation behind its circuit breaker: what operations and the polling use."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from medimgr.lib.sealing import NoKey, Unreadable
from workstations.exceptions import PasswordMissing
from workstations.models import Workstation
from workstations.winrm import breaker
from workstations.winrm.host import Host, connect
from workstations.winrm.patience import nothing


class Errand(Protocol):
    """For whom a workstation is reached: a Job, or an Until."""

    @property
    def deadline(self) -> float:
        """Return when it has to be over (monotonic)."""

    def check_cancelled(self) -> None:
        """Raise where it is to stop."""

    def mask(self, value: str) -> None:
        """Keep ``value`` out of whatever it writes."""


@dataclass(frozen=True, slots=True)
class Until:
    """An errand of no operation's: the polling's, or a command's."""

    deadline: float
    check: Callable[[], None] = nothing

    def check_cancelled(self) -> None:
        """Raise what ``check`` raises."""
        self.check()

    def mask(self, value: str) -> None:
        """Keep nothing out: it writes nothing."""


@contextlib.contextmanager
def reach(workstation: Workstation, errand: Errand, *, always: bool = False) -> Iterator[Host]:
    """Yield a session with ``workstation``, as :func:`connect` does, unless it was not reached a moment ago.

    Raises NotAskedAgain before anything is sent (not with ``always``, for what a person asks for to see
    whether it can be reached), and PasswordMissing where its password can't be decrypted. One query, and
    one more where something is wrong or right again.
    """
    if always:
        workstation.refresh_from_db(fields=["failures", "next_probe_at"])
    else:
        breaker.admit(workstation)
    try:
        access = workstation.access()
    except (NoKey, Unreadable) as problem:
        raise PasswordMissing(str(problem)) from problem
    if access.password:
        errand.mask(access.password)
    with connect(access, deadline=errand.deadline, check=errand.check_cancelled) as host:
        try:
            yield host
        finally:
            if host.opening_failure is not None:
                breaker.failed(workstation, host.opening_failure)
            elif host.opened:
                breaker.close(workstation)
