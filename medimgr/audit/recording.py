"""Writes the audit. Whoever does something for somebody says so here, in the same transaction."""

import logging
from collections.abc import Iterable
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone

from medimgr.audit.models import AuditEntry
from medimgr.lib.log_context import request_id, token_name
from medimgr.lib.plain_text import harmless
from medimgr.lib.redact import redacted

logger = logging.getLogger(__name__)

_AT_A_TIME = 500


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
    entry(
        action,
        who=who,
        source=source,
        outcome=outcome,
        user=user,
        address=address,
        target=target,
        target_name=target_name,
        detail=detail,
        operation_id=operation_id,
    ).save(force_insert=True)


def entry(
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
) -> AuditEntry:
    """Return an entry as :func:`record` would append it, for :func:`record_all`. No query."""
    return AuditEntry(
        at=timezone.now(),
        who=_fit(who, 150),
        user=user,
        source=source[:16],
        address=_fit(address, 64),
        request_id=_fit(request_id.get(), 64),
        token=_fit(token_name.get(), 100),
        action=_fit(action, 64),
        target=_fit(target, 240),
        target_name=_fit(target_name, 200),
        outcome=outcome[:16],
        detail=_fit(redacted(detail), 500),
        operation_id=operation_id,
    )


def record_all(entries: Iterable[AuditEntry]) -> None:
    """Append entries, in the transaction of the caller where there is one. One insert for 500 of them."""
    AuditEntry.objects.bulk_create(entries, batch_size=_AT_A_TIME)


def record_if_possible(action: str, **fields: Any) -> None:
    """Append an entry about what was not done: where the database is away, the log alone tells of it."""
    try:
        with transaction.atomic():
            record(action, **fields)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The audit has no entry of %s by %s: %s", action, fields.get("who"), error)


def _fit(text: str, longest: int) -> str:
    return harmless(text)[:longest]
