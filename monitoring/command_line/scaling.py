"""``services scale``: change how many copies of a service run, and wait for those that are new."""

import time
from collections.abc import Callable, Sequence

from django.utils import timezone

from monitoring.command_line.waiting import POLL_SECONDS, Say
from monitoring.exceptions import NotConfirmed
from monitoring.models import Service, ServiceStatus
from monitoring.scaling import scale
from monitoring.states import REASON_WORDS, Intent, Reason, State
from operations.exceptions import NotDone

_FAILED = frozenset({State.BACKOFF, State.FATAL})
_THERE = frozenset({State.RUNNING, State.EXITED})


def carry_out(
    service: Service,
    instances: int,
    say: Say,
    *,
    confirm: Callable[[str], bool],
    timeout: float | None,
) -> None:
    """Change the number of copies and tell what came of it; wait up to ``timeout`` seconds for new ones.

    ``confirm`` asks a person whether copies may be stopped in spite of the service's warning. Raises
    UnknownService, CannotScale and NotConfirmed (nothing was changed), NotDone (a new copy does not run).
    """
    if instances < service.instances and service.warning:
        told = f"  {service.key}: {service.warning}"
        if not confirm(f"{told}\nStop {service.instances - instances} of its copies all the same? [y/N] "):
            raise NotConfirmed(
                f"Nothing was changed. This has to be confirmed, with --yes or at a terminal:\n{told}"
            )
    scaled = scale(service.key, instances)
    say(f"{service.key}: {_count(scaled.before)} before, {_count(instances)} now.")
    if scaled.removed:
        say(f"Stopped and removed: {', '.join(reversed(scaled.removed))}.")
    if not scaled.added:
        return
    say(f"New: {', '.join(scaled.added)}.")
    if not service.node.is_supervised(timezone.now()):
        say(f"No supervisor reports for node {service.node.name}, so they do not run yet.", bad=True)
    elif timeout is not None:
        _wait(service, scaled.added, timeout, say)


def _wait(service: Service, keys: Sequence[str], timeout: float, say: Say) -> None:
    """Wait until each copy runs or has failed. One query every fifth of a second."""
    until = time.monotonic() + timeout
    waiting = list(keys)
    failed = 0
    while waiting:
        rows = {
            row.service.key: row
            for row in ServiceStatus.objects.filter(service__key__in=waiting).select_related("service")
        }
        late = time.monotonic() >= until
        for key in list(waiting):
            row = rows.get(key)
            if row is None:
                say(f"{key}: somebody has removed it again.", bad=True)
                failed += 1
            elif row.state in _THERE:
                say(f"{key}: {row.state.lower()}.")
            elif row.intent == Intent.DOWN:
                say(f"{key}: not started, since {service.key} is wanted down.")
            elif row.state in _FAILED:
                say(f"{key}: {row.state.lower()}. {row.detail or REASON_WORDS[Reason(row.reason)]}", bad=True)
                failed += 1
            elif late:
                say(f"{key}: still {row.state.lower()} after {timeout:g} s. {row.detail}".strip(), bad=True)
                failed += 1
            else:
                continue
            waiting.remove(key)
        if waiting:
            time.sleep(POLL_SECONDS)
    if failed:
        raise NotDone(
            f"{failed} of {len(keys)} new copies {'does' if failed == 1 else 'do'} not run; see above."
        )


def _count(instances: int) -> str:
    return f"{instances} {'copy' if instances == 1 else 'copies'}"
