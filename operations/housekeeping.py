"""The chores of operations and events: end what hangs, delete what is old."""

from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.utils import timezone

from medimgr.accounts import families
from medimgr.accounts.login_door import forget_old_tries
from medimgr.audit import retention
from medimgr.events import connections, traffic
from medimgr.events.retention import prune
from medimgr.tallies import process_report
from operations import batches, chores
from operations.chores import Chore
from operations.clock_jumps import CarefulReaper
from operations.exceptions import TargetBusy
from operations.models import ChoreRun
from operations.purge_operation import anything_to_purge, ask_for_purge, under_way
from operations.requester import Requester

REAP = "operations.reap"
UNSEEN_SECONDS = 15.0
"""A gap between two looks in which a lease may have run out because its holder could not renew it either."""

_reaper = CarefulReaper()


def reap() -> str:
    """End operations whose lease or deadline has passed.

    Not at the first look after a gap: where the database was away, or locked, whoever lives renews first.
    """
    row = ChoreRun.objects.filter(name=REAP).first()
    if row is not None:
        if row.finished_at is None:
            # The first look of all; or the second, since the end of the first could not be stored.
            return "nobody had looked before: whoever lives may renew first"
        gap = (timezone.now() - row.finished_at).total_seconds()
        if gap > UNSEEN_SECONDS:
            return f"nobody had looked for {gap:.0f} s: whoever lives may renew first"
    count = _reaper.reap()
    return f"ended {count} operation(s) that nobody carries out" if count else ""


def purge_operations() -> str:
    """Ask for a purge, where something ended more than MEDIMGR_OPERATION_KEEP_HOURS ago.

    Beside old purges: otherwise each would be made to delete the one before. A batch of which everything was
    refused has no operations whose purge would take it along.
    """
    hours, kept = settings.MEDIMGR_OPERATION_KEEP_HOURS, settings.MEDIMGR_OPERATION_KEEP_PER_TARGET
    older_than = timezone.now() - timedelta(hours=hours)
    if under_way():
        return ""
    if not anything_to_purge(older_than, kept):
        forgotten = batches.forget_old(older_than)
        return f"deleted {forgotten} batch(es) without operations" if forgotten else ""
    try:
        asked = ask_for_purge(Requester("system", "system"), keep_hours=hours, keep_per_target=kept)
    except TargetBusy:  # somebody has asked for one meanwhile
        return ""
    return f"asked for operation {asked.pk}"


def prune_events() -> str:
    """Delete events, and what was counted of their traffic, older than MEDIMGR_EVENT_KEEP_HOURS."""
    older_than = timezone.now() - timedelta(hours=settings.MEDIMGR_EVENT_KEEP_HOURS)
    traffic.prune(older_than)
    count = prune(older_than)
    return f"deleted {count} event(s)" if count else ""


def forget_dead_workers() -> str:
    """Remove web workers that have died, with the rows of their streams.

    A living web worker does so too; this one counts where the last of them died.
    """
    count = connections.forget_dead_workers()
    return f"removed {count} stream(s) of dead web workers" if count else ""


def prune_sessions() -> None:
    """Delete sessions that have run out: nobody is logged in with them any more."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()


def prune_logins() -> str:
    """Delete wrong logins that do not count any more."""
    count = forget_old_tries()
    return f"deleted {count} row(s) of wrong logins" if count else ""


def prune_audit() -> str:
    """Delete what the audit has from more than MEDIMGR_AUDIT_KEEP_DAYS ago."""
    count = retention.prune(timezone.now() - timedelta(days=settings.MEDIMGR_AUDIT_KEEP_DAYS))
    return f"deleted {count} audit entries" if count else ""


def forget_silent_processes() -> str:
    """Delete the reports of medimgr's processes that have said nothing for an hour."""
    count = process_report.forget_silent()
    return f"deleted the reports of {count} process(es)" if count else ""


def register_chores() -> None:
    """Declare the chores. Called once, when the app is ready."""
    chores.register(Chore(REAP, 5.0, reap))
    chores.register(Chore("operations.purge", 300.0, purge_operations))
    chores.register(Chore("events.prune", 300.0, prune_events))
    chores.register(Chore("audit.prune", 3600.0, prune_audit))
    chores.register(Chore("sessions.prune", 3600.0, prune_sessions))
    chores.register(Chore("accounts.logins-prune", 3600.0, families.forget_expired))
    chores.register(Chore("logins.prune", 600.0, prune_logins))
    chores.register(Chore("tallies.prune", 3600.0, forget_silent_processes))
    chores.register(Chore("events.dead-workers", 5.0, forget_dead_workers))
