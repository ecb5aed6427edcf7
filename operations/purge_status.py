"""What a purge would find, for people at a shell."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from operations import words
from operations.models import ChoreRun, Operation
from operations.purge import Purge
from operations.purge_operation import KIND, PurgeParameters
from operations.states import Status

CHORE = "operations.purge"


def status_lines(wanted: PurgeParameters) -> Iterator[str]:
    """Yield what is stored by status, the oldest, what would go, the last purge and the chore's next.

    Six queries, two of which read an index as a whole, and those of a dry run.
    """
    counts = dict(Operation.objects.order_by().values_list("status").annotate(Count("pk")))
    stored = ", ".join(f"{counts[status]:,} {status.lower()}" for status in Status if status in counts)
    yield f"Stored:      {stored or 'no operations'}."
    oldest = Operation.objects.filter(finished_at__isnull=False).order_by("finished_at").first()
    yield "Oldest:      " + (
        f"operation {oldest.pk}, ended {_when(oldest.finished_at)}." if oldest else "nothing has ended."
    )
    before = timezone.now() - timedelta(hours=wanted.keep_hours)
    would = Purge(before, keep_per_target=wanted.keep_per_target).count()
    kept = f", keeping the newest {wanted.keep_per_target} of each target" if wanted.keep_per_target else ""
    yield f"Would go:    {would:,} that ended more than {wanted.keep_hours:g} h ago{kept}."
    last = Operation.objects.filter(kind=KIND).order_by("-id").first()
    yield "Last purge:  " + (_told(last) if last else "none that is still known.")
    chore = ChoreRun.objects.filter(name=CHORE).first()
    yield "Next chore:  " + (
        f"{_when(chore.next_at)}." if chore else "never yet: no operations worker has run here."
    )


def _told(purge: Operation) -> str:
    asked = f"operation {purge.pk}, asked for by {purge.requester} {_when(purge.created_at)}, "
    if purge.finished_at is None:
        return f"{asked}{words.status(purge).lower()}. {purge.progress_message}".strip()
    return f"{asked}{words.ended(purge)} {purge.progress_message}".strip()


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}" if moment else "at an unknown time"
