"""What a look at a workstation's port changes in what is known of it: pure."""

from dataclasses import dataclass
from datetime import datetime

from workstations.connect_failures import status_after
from workstations.exceptions import Refused, RemoteFailure, UnknownHost, Unreachable
from workstations.models import Workstation
from workstations.states import Reachability

_OF_CONNECTS = frozenset({"", RemoteFailure.code, Unreachable.code, Refused.code, UnknownHost.code})
"""The errors that a connect shows, and therefore a connect ends."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written of a workstation."""

    status: Reachability
    last_error: str = ""
    error_code: str = ""


def verdict(
    workstation: Workstation, failure: RemoteFailure | None, began: datetime | None = None
) -> Verdict | None:
    """Return what changes where a connect that began at ``began`` failed so, or did not; None: nothing.

    Who answers at the port may still not be one to work with: an error that reading it has shown (the
    password, TLS) is not ended by a connect. What was reached since the look began is not offline. No query.
    """
    if failure is None:
        if workstation.status == Reachability.ERROR and workstation.error_code not in _OF_CONNECTS:
            return None
        found = Verdict(Reachability.ONLINE)
    elif began is not None and workstation.seen_at is not None and workstation.seen_at >= began:
        return None
    else:
        found = Verdict(status_after(failure), failure.detail[:300], failure.code)
    known = (workstation.status, workstation.last_error, workstation.error_code)
    return None if known == (found.status, found.last_error, found.error_code) else found
