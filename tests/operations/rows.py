"""Makes operations without asking for them: rows as they would be after any history."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from operations.models import Operation
from operations.states import FINISHED, Status


def made(
    key: str = "web",
    status: Status = Status.SUCCESS,
    *,
    ago: timedelta = timedelta(),
    took: float = 2.0,
    **fields: Any,
) -> Operation:
    """Create an operation on the service ``key`` that was asked for ``ago``, and ran for ``took`` seconds."""
    asked: datetime = timezone.now() - ago
    started = None if status == Status.PENDING else asked
    values: dict[str, Any] = {
        "kind": "service.start",
        "target_type": "service",
        "requester": "alice",
        "source": "api",
        "queue": "node:testnode",
        "created_at": asked,
        "run_after": asked,
        "deadline_at": asked + timedelta(minutes=5),
        "started_at": started,
        "finished_at": asked + timedelta(seconds=took) if status in FINISHED else None,
    }
    return Operation.objects.create(target_key=key, status=status, **(values | fields))
