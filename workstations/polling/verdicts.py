"""What a look at a workstation's port changes in what is known of it: pure."""

from datetime import datetime

from workstations.connect_failures import status_after
from workstations.exceptions import ConnectFailed, Refused, RemoteFailure, UnknownHost, Unreachable
from workstations.models import Workstation
from workstations.states import Reachability

_OF_CONNECTS = frozenset({"", ConnectFailed.code, Unreachable.code, Refused.code, UnknownHost.code})
"""Error codes of connects that failed: whoever connects has refuted them."""


def is_refuted_by_an_answer(workstation: Workstation) -> bool:
    """Return whether a connect that succeeded changes the status of ``workstation``: it is online then.

    An error that lies deeper (a wrong password, TLS) stays until reading it succeeds. No query.
    """
    return workstation.status != Reachability.ONLINE and workstation.error_code in _OF_CONNECTS


def is_news(workstation: Workstation, failure: RemoteFailure | None, began: datetime) -> bool:
    """Return whether a connect that began at ``began`` and failed so, or did not (None), is to be stored.

    What was reached since the look began is not offline. No query.
    """
    if failure is None:
        return is_refuted_by_an_answer(workstation)
    if workstation.seen_at is not None and began < workstation.seen_at:
        return False
    told = (workstation.status, workstation.error_code)
    return told != (status_after(failure), failure.code)
