"""Services are deleted while their supervisor writes about them: neither gets in the other's way."""

import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection, transaction

from monitoring.models import Service
from monitoring.states import Health, Intent, Reason, State
from monitoring.supervisor import lease as leases
from monitoring.supervisor.flush import Published, flush
from monitoring.supervisor.lease import Lease
from monitoring.supervisor.records import RunRow, StatusRow, TransitionRow
from monitoring.supervisor.writes import Batch
from tests.factories import make_service
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
ROUNDS = 30


class Writer:
    """A supervisor's thread that keeps writing about the services that it is told of."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.services: list[Service] = []
        self.written = 0
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                self._write(list(self.services))
                self.written += 1
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def _write(self, services: list[Service]) -> None:
        now = datetime.now(UTC)
        batch = Batch(transitions=deque())
        for service in services:
            pk, run = service.pk, str(uuid4())
            batch.runs[run] = RunRow(run, pk, service.key, 7, 0, "", ("x",), Reason.CRASH, now, 0)
            batch.transitions.append(
                TransitionRow(pk, now, State.RUNNING, State.BACKOFF, Reason.CRASH, "", 7, run, None)
            )
            batch.statuses[service.key] = StatusRow(
                service=pk,
                key=service.key,
                intent=Intent.UP,
                state=State.BACKOFF,
                health=Health.UNKNOWN,
                reason=Reason.CRASH,
                detail="",
                since=now,
                pid=None,
                process_started_at=None,
                restarts=0,
                auto_recovery=True,
                needs_restart=False,
            )
        flush(batch, self._lease, Published())


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer(leases.take("testnode", lambda _: None))
    writer.start()
    yield writer
    # On a busy machine the deleting may be quick, and it has to be seen to write afterwards, too.
    before = writer.written
    wait_for(lambda: writer.error or writer.written > before + 1, 30, "it goes on writing")
    writer.stop()
    assert writer.error is None, writer.error


def test_one_after_the_other(writer: Writer) -> None:
    for _ in range(ROUNDS):
        service = make_service("it", instances=3)
        writer.services = list(Service.objects.all())
        service.instances = 1
        service.save()
        service.delete()


def test_many_at_once_in_the_other_order(writer: Writer) -> None:
    for _ in range(ROUNDS // 3):
        services = [make_service(f"it-{number}") for number in range(5)]
        writer.services = services
        with transaction.atomic():
            Service.objects.all().hold()
            for service in reversed(services):
                service.delete()
