"""The circuit breaker of a workstation: one that can't be reached is asked once a minute, by one process.

It is in the workstation's row, so that all processes know of it and one alone takes a probe.
"""

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from workstations.exceptions import (
    AuthenticationFailure,
    NotAskedAgain,
    PasswordMissing,
    Refused,
    RemoteFailure,
    TlsFailure,
    UnknownHost,
    Unreachable,
)
from workstations.models import Workstation

PROBE_SECONDS = 60.0
REFUSED_LOGIN_SECONDS = 300.0
"""After a refused login: Windows locks an account after ten in ten minutes."""


def pause_after(failure: RemoteFailure) -> float:
    """Return for how many seconds nobody is to ask again after ``failure``; 0: it is no reason to. Pure."""
    if isinstance(failure, NotAskedAgain | PasswordMissing):
        return 0.0
    if isinstance(failure, AuthenticationFailure):
        return REFUSED_LOGIN_SECONDS
    return PROBE_SECONDS if isinstance(failure, Unreachable | Refused | UnknownHost | TlsFailure) else 0.0


def admit(workstation: Workstation) -> None:
    """Return where ``workstation`` may be asked now; raise NotAskedAgain with the time where it may not.

    One query where nothing is wrong with it. Where its next probe is due, one caller alone takes it (one
    more query), and the others are told the next time. Brings the row's two fields up to date.
    """
    row = Workstation.objects.filter(pk=workstation.pk)
    found = row.values_list("failures", "next_probe_at").first()
    if found is None:
        return  # it is gone, which whoever reaches for it finds out by himself
    workstation.failures, workstation.next_probe_at = found
    due = workstation.next_probe_at
    if due is None:
        return
    now = timezone.now()
    if due <= now or due > now + timedelta(seconds=2 * REFUSED_LOGIN_SECONDS):  # the clock was set back
        following = now + timedelta(seconds=PROBE_SECONDS)
        if row.filter(next_probe_at=due).update(next_probe_at=following):
            workstation.next_probe_at = following
            return
        due = following
    raise NotAskedAgain(
        f"{workstation.name} could not be reached {_times(workstation.failures)}, and is asked again at "
        f"{_clock(due)}. Test its connection to ask it at once."
    )


def failed(workstation: Workstation, failure: RemoteFailure) -> None:
    """Take note that it could not be reached or logged in to; ask again after a pause. One query at most."""
    pause = pause_after(failure)
    if not pause:
        return
    workstation.failures += 1
    workstation.next_probe_at = timezone.now() + timedelta(seconds=pause)
    Workstation.objects.filter(pk=workstation.pk).update(
        failures=F("failures") + 1, next_probe_at=workstation.next_probe_at
    )


def close(workstation: Workstation) -> None:
    """Take note that it was reached: whoever likes may ask it. One query, and only where that is news."""
    if workstation.failures or workstation.next_probe_at is not None:
        workstation.failures, workstation.next_probe_at = 0, None
        Workstation.objects.filter(pk=workstation.pk).update(failures=0, next_probe_at=None)


def _times(failures: int) -> str:
    return "a moment ago" if failures < 2 else f"{failures} times in a row"


def _clock(when: datetime) -> str:
    return f"{timezone.localtime(when):%H:%M:%S}"
