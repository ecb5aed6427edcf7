"""Liveness and readiness, for load balancers and monitoring: plain, fast, without login and secrets."""

import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from monitoring.models import Node

log = logging.getLogger("medimgr.health")


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this server can do its work; ``reason`` says what is missing and what to do, or is empty."""

    database: bool
    supervisor: bool
    reason: str = ""

    @property
    def ready(self) -> bool:
        """Return whether nothing is missing."""
        return self.database and self.supervisor

    def public(self) -> dict[str, Any]:
        """Return the shape for clients."""
        return {
            "database": "ok" if self.database else "unavailable",
            "supervisor": "ok" if self.supervisor else "silent",
            "reason": self.reason,
        }


def readiness() -> Readiness:
    """Look at the database and at this node's supervisor. One query; never raises a database error.

    The words are for anybody, so they name neither host nor account.
    """
    try:
        node = Node.objects.filter(name=settings.MEDIMGR_NODE).first()
    except Error as error:
        # What exactly is wrong may name hosts and accounts: that is for the log.
        log.warning("not ready: the database does not answer: %s", type(error).__name__)
        return Readiness(False, False, "The database does not answer. Check DATABASE_URL and the server.")
    now = timezone.now()
    if node is not None and node.is_supervised(now):
        return Readiness(True, True)
    if node is None or node.heartbeat_at is None:
        reason = "No supervisor has reported for this node yet."
    else:
        silent = int((now - node.heartbeat_at).total_seconds())
        reason = f"The supervisor of this node last reported {silent} s ago."
    return Readiness(True, False, f"{reason} Start manage.py up or manage.py supervise.")


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Say that the process is up. No database, so that a lost one gets no web worker restarted."""
    return _plain({"status": "ok"}, 200)


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Say whether requests can be served: 200, or 503 with the reason. One query."""
    found = readiness()
    status = "ready" if found.ready else "not ready"
    return _plain({"status": status, **found.public()}, 200 if found.ready else 503)


def _plain(body: dict[str, Any], status: int) -> HttpResponse:
    response = JsonResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    return response
