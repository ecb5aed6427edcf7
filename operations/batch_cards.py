"""Batches as the cards that pages show: what was asked for, how far it is, what can be done about it."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from medimgr.lib.access import Person, may
from operations.batches import ACCEPTANCE_SECONDS, public
from operations.models import Batch, Operation
from operations.words import label

BLANK: dict[str, Any] = {"id": "", "total": 1, "done": 0, "level": "busy"}
"""What a card that is made in the browser is copied from."""
SHOWN = 3


def card(batch: Batch) -> dict[str, Any]:
    """Return what the template ``operations/_batch.html`` shows of ``batch``. No query."""
    shape = public(batch)
    return shape | {"title": title(batch), "level": level(shape)}


def title(batch: Batch) -> str:
    """Return what was asked for: ``Restart of 14``. No query."""
    return f"{label(batch.kind)} of {batch.total}"


def level(shape: dict[str, Any]) -> str:
    """Return how a batch in its public shape looks: busy, done, or failed where any of it was. Pure."""
    if shape["failed"] or shape["refused"]:
        return "failed"
    return "busy" if shape["finished_at"] is None else "done"


def card_of(batch_id: str, user: Person) -> dict[str, Any] | None:
    """Return the card of the batch called so, None where ``user`` may know of none. No query for no id."""
    if not batch_id or "\0" in batch_id:
        return None
    batch = Batch.objects.visible_to(user).filter(pk=batch_id).first()
    return card(batch) if batch is not None else None


def rights(user: Any) -> dict[str, Any]:
    """Return what ``user`` may do with batches, for the script ``static/medimgr/batches.js``.

    Queries the user's permissions once.
    """
    return {"may": {verb: may(user, verb, Operation) for verb in ("view", "cancel", "retry")}}


def script_data(user: Any) -> dict[str, Any]:
    """Return the rights, and what ``user`` asked for last that has not ended, the newest last.

    One query, and the user's permissions once.
    """
    recent = timezone.now() - timedelta(seconds=ACCEPTANCE_SECONDS)
    rows = Batch.objects.filter(requester=user.get_username(), finished_at=None, created_at__gte=recent)
    seen = list(rows.order_by("-created_at")[:SHOWN]) if may(user, "view", Operation) else []
    return rights(user) | {"under_way": [public(batch) for batch in reversed(seen)]}
