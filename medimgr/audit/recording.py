"""Writes the audit. Whoever does something for somebody says so here, in the same transaction."""

from typing import Any

from django.utils import timezone

from medimgr.audit.models import AuditEntry
from medimgr.lib.log_context import request_id, token_name


def record(
    action: str,
    *,
    who: str,
    source: str,
    outcome: str = "done",
    user: Any = None,
    address: str = "",
    target: str = "",
    target_name: str = "",
    detail: str = "",
    operation_id: int | None = None,
) -> None:
    """Append one entry, in the transaction of the caller where there is one. One insert.

    The id of the request and the token that it came with are those of the log. Texts are cut to what their
    columns hold. ``detail`` must hold no secret: it is shown and exported.
    """
    AuditEntry.objects.create(
        at=timezone.now(),
        who=who[:150],
        user=user,
        source=source[:16],
        address=address[:64],
        request_id=request_id.get()[:64],
        token=token_name.get()[:100],
        action=action[:64],
        target=target[:240],
        target_name=target_name[:200],
        outcome=outcome[:16],
        detail=detail[:500],
        operation_id=operation_id,
    )
