"""Machines' tokens as people and programs read of them. Pure, but for the account that a row names."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from medimgr.accounts.models import MachineToken

_COLUMNS = ("name", "prefix", "user", "state", "expires", "last used", "limited to")


def state(row: MachineToken, now: datetime) -> str:
    """Return ``revoked``, ``expired`` or ``good``."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "good"


def limits(row: MachineToken) -> str:
    """Return what a token is limited to, in words."""
    parts = [f"{len(row.permissions)} permission{'' if len(row.permissions) == 1 else 's'}"]
    parts += [f"group {group}" for group in row.service_groups]
    parts += [f"tag {tag}" for tag in row.workstation_tags]
    return ", ".join(parts)


def plain(row: MachineToken, now: datetime) -> dict[str, Any]:
    """Return a token for JSON: all that is stored but the digest."""
    return {
        "name": row.name,
        "prefix": row.prefix,
        "user": row.user.get_username(),
        "state": state(row, now),
        "permissions": row.permissions,
        "groups": row.service_groups,
        "tags": row.workstation_tags,
        "created_at": _iso(row.created_at),
        "created_by": row.created_by,
        "expires_at": _iso(row.expires_at),
        "last_used_at": _iso(row.last_used_at),
        "last_used_address": row.last_used_address,
        "revoked_at": _iso(row.revoked_at),
        "revoked_by": row.revoked_by,
    }


def table(rows: Sequence[MachineToken], now: datetime) -> str:
    """Return the tokens as lines of text, with their columns under one another."""
    if not rows:
        return "There are no tokens. Issue one with: manage.py tokens issue NAME --user ACCOUNT --role viewer"
    lines = [_COLUMNS, *(_cells(row, now) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: MachineToken, now: datetime) -> tuple[str, ...]:
    used = f"{row.last_used_at:%Y-%m-%d %H:%M} from {row.last_used_address}" if row.last_used_at else "never"
    expires = f"{row.expires_at:%Y-%m-%d %H:%M}" if row.expires_at else "never"
    return (row.name, row.prefix, row.user.get_username(), state(row, now), expires, used, limits(row))


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
