"""Carries out a connection test, and stores what it has found."""

from operations.job import Job
from workstations.connection import ConnectionTest, test_connection
from workstations.exceptions import ConnectFailed, Refused, RemoteFailure, UnknownHost, Unreachable
from workstations.models import Workstation
from workstations.polling.statuses import record_answer
from workstations.reachability import record_failure
from workstations.winrm import breaker

_FAILURES: dict[str, type[RemoteFailure]] = {
    one.code: one for one in (ConnectFailed, Unreachable, Refused, UnknownHost)
}


def carry_out_test(job: Job) -> None:
    """Test, store and publish what came out. Raises RemoteFailure with the code of why nobody is reached."""
    workstation = job.target()
    if not isinstance(workstation, Workstation):
        raise TypeError(f"{job.kind.name} works on workstations alone.")
    job.progress(0, 1, f"Connecting to {workstation.host} on port {workstation.port}")
    result = test_connection(workstation)
    record(workstation, result, job.operation.pk)
    failure = failure_in(result)
    if failure is not None:
        raise failure
    job.progress(1, 1, f"It answered after {result['response_time_ms']:g} ms")


def failure_in(result: ConnectionTest) -> RemoteFailure | None:
    """Return why a test did not connect, None where it did. Pure."""
    if result["connected"]:
        return None
    return _FAILURES[result["error_code"]](result["error_message"])


def record(workstation: Workstation, result: ConnectionTest, operation_id: int | None = None) -> None:
    """Store and publish what a test's result changes in the workstation's status, and in its emulators'.

    An error that lies deeper than a connect, as a wrong password, stays until it is refuted; but whoever
    was kept from asking may ask at once. A few queries; only what is new is written.
    """
    failure = failure_in(result)
    if failure is not None:
        record_failure(workstation, failure, operation_id)
        return
    record_answer(workstation)
    row = Workstation.objects.filter(pk=workstation.pk).first()
    if row is not None:
        breaker.close(row)
