"""The operations on workstations. The operations worker carries them out."""

from django.db import transaction
from django.utils import timezone

from medimgr.events.log import publish
from operations import registry
from operations.exceptions import OperationFailed
from operations.intake import request_operation
from operations.job import Job
from operations.models import Operation
from operations.registry import WORKER_QUEUE, Kind
from operations.requester import Requester
from workstations.connection import ConnectionTest, test_connection
from workstations.models import Workstation

TEST_CONNECTION = "workstation.test-connection"


def register_kinds() -> None:
    """Declare the kinds. Called once, when the app is ready."""
    registry.register(
        Kind(
            TEST_CONNECTION,
            "Test connection",
            Workstation,
            "test",
            deadline_seconds=60.0,
            target_field="pk",
            handler=carry_out_test,
        )
    )


def request_test(workstation: Workstation, requester: Requester, *, idempotency_key: str = "") -> Operation:
    """Queue a connection test for the operations worker. Raises what ``request_operation`` raises."""
    return request_operation(
        TEST_CONNECTION,
        workstation,
        str(workstation.pk),
        queue=WORKER_QUEUE,
        requester=requester,
        idempotency_key=idempotency_key,
    )


def carry_out_test(job: Job) -> None:
    """Test, store and publish what came out; a workstation that can't be reached is a failed operation."""
    workstation = job.target()
    if not isinstance(workstation, Workstation):
        raise TypeError(f"{TEST_CONNECTION} works on workstations alone.")
    job.progress(0, 1, f"Connecting to {workstation.host} on port {workstation.port}")
    result = test_connection(workstation)
    record(workstation, result)
    if not result["connected"]:
        raise OperationFailed(f"workstation-{result['status']}", result["error_message"])
    job.progress(1, 1, f"It answered after {result['response_time_ms']:g} ms")


def record(workstation: Workstation, result: ConnectionTest) -> None:
    """Store a test's result and publish a ``workstation`` event, in one transaction.

    Only these columns are written, so that a form saved meanwhile loses nothing.
    """
    with transaction.atomic():
        if workstation.status != result["status"] or workstation.status_since is None:
            workstation.status_since = timezone.now()
        workstation.status = result["status"]
        workstation.last_error = result.get("error_message", "")[:300]
        changed = Workstation.objects.filter(pk=workstation.pk).update(
            status=workstation.status,
            status_since=workstation.status_since,
            last_error=workstation.last_error,
        )
        if changed:
            publish("workstation", str(workstation.pk), workstation.public())
