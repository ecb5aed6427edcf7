"""A batch becomes rows and events in one transaction, under the lease, whatever is gone meanwhile."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from medimgr.events.models import Event, Tick
from monitoring.models import Node, Run, Service, ServiceStatus, Transition
from monitoring.states import ExitSource, Health, Intent, Reason, State
from monitoring.supervisor import lease as leases
from monitoring.supervisor.flush import Published, flush, take_over_runs
from monitoring.supervisor.lease import Lease, NodeTaken
from monitoring.supervisor.records import RunRow, StatusRow, TakenOver, TransitionRow
from monitoring.supervisor.writes import Batch
from tests.factories import make_service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def lease() -> Lease:
    return leases.take("testnode", lambda _: None)


def status(service: Service, **changes: Any) -> StatusRow:
    row = StatusRow(
        service=service.pk,
        key=service.key,
        intent=Intent.UP,
        state=State.RUNNING,
        health=Health.HEALTHY,
        reason=Reason.CRASH,
        detail="killed by SIGKILL",
        since=NOW,
        pid=4711,
        process_started_at=NOW,
        restarts=3,
        auto_recovery=False,
        needs_restart=True,
    )
    return replace(row, **changes)


def run(service: Service, **changes: Any) -> RunRow:
    row = RunRow(
        run_id=str(uuid4()),
        service=service.pk,
        key=service.key,
        pid=4711,
        start_ticks=1,
        boot_id="boot",
        command=("sleep", "1"),
        reason=Reason.BOOT,
        started_at=NOW,
        log_offset=12,
    )
    return replace(row, **changes)


def transition(service: Service, detail: str = "") -> TransitionRow:
    return TransitionRow(
        service.pk, NOW, State.RUNNING, State.BACKOFF, Reason.CRASH, detail, 4711, str(uuid4()), 5
    )


def runs_of(*rows: RunRow) -> Batch:
    return Batch(runs={row.run_id: row for row in rows})


def test_a_status_is_written_as_it_is_and_its_public_shape_is_the_models(lease: Lease) -> None:
    service = make_service()
    row = status(service)
    flush(Batch(statuses={service.key: row}), lease, Published())
    stored = ServiceStatus.objects.get(service=service)
    assert stored.public() == row.public()


def test_an_event_has_the_changed_fields_alone_and_none_is_made_without_a_change(lease: Lease) -> None:
    service = make_service()
    published, row = Published(), status(service)
    published.learn(row)
    before = Event.objects.count()
    flush(Batch(statuses={service.key: row}), lease, published)
    assert Event.objects.count() == before
    flush(Batch(statuses={service.key: replace(row, pid=5, detail="x")}), lease, published)
    newest = Event.objects.latest("id")
    assert (newest.topic, newest.key, newest.data) == ("service", service.key, {"pid": 5, "detail": "x"})


def test_one_service_of_many_that_is_gone_does_not_hold_up_the_others(lease: Lease) -> None:
    gone, there = make_service("gone"), make_service("there")
    batch = Batch(
        statuses={"gone": status(gone), "there": status(there)},
        transitions=deque([transition(gone), transition(there)]),
        runs={row.run_id: row for row in (run(gone, ended_at=NOW), run(there))},
    )
    gone.delete()
    flush(batch, lease, Published())
    assert ServiceStatus.objects.get(service=there).pid == 4711
    assert Transition.objects.get().service == there
    assert Run.objects.get(service_key="gone").service is None


def test_a_run_is_made_once_and_completed_later(lease: Lease) -> None:
    service = make_service()
    row = run(service)
    flush(runs_of(row), lease, Published())
    flush(runs_of(replace(row, ready_at=NOW)), lease, Published())
    # What was taken over does not know when it became ready; the table keeps it.
    ended = replace(
        row, ended_at=NOW, exit_signal="SIGKILL", exit_source=ExitSource.WAIT, end_reason=Reason.CRASH
    )
    flush(runs_of(ended), lease, Published())
    stored = Run.objects.get()
    assert (stored.ready_at, stored.ended_at, stored.exit_signal) == (NOW, NOW, "SIGKILL")
    assert (stored.command, stored.log_offset, stored.node) == (["sleep", "1"], 12, "testnode")


def test_the_end_of_a_run_and_the_begin_of_the_next_come_in_one_batch(lease: Lease) -> None:
    service = make_service()
    first, second = run(service), run(service)
    flush(runs_of(first), lease, Published())
    flush(runs_of(second, replace(first, ended_at=NOW)), lease, Published())
    assert Run.objects.get(ended_at=None).run_id.hex == second.run_id.replace("-", "")


def test_an_open_run_that_nobody_ended_does_not_stand_in_the_way(lease: Lease) -> None:
    service = make_service()
    flush(runs_of(run(service)), lease, Published())
    flush(runs_of(run(service)), lease, Published())
    assert Run.objects.filter(ended_at=None).count() == 1
    assert Run.objects.exclude(ended_at=None).get().exit_source == ExitSource.UNKNOWN


@pytest.mark.parametrize("at_a_take_over", [True, False])
def test_a_lost_end_is_put_before_the_next_begin(lease: Lease, at_a_take_over: bool) -> None:
    """Its supervisor has died after it had started the next one and before it wrote anything of that."""
    service = make_service()
    flush(runs_of(replace(run(service), started_at=NOW - timedelta(hours=2))), lease, Published())
    second = replace(run(service), started_at=NOW - timedelta(hours=1))
    if at_a_take_over:
        assert take_over_runs(lease, TakenOver(NOW, (second,))) == 1
        assert Run.objects.get(ended_at=None).started_at == second.started_at
    flush(runs_of(second), lease, Published())
    assert Run.objects.exclude(ended_at=None).get().ended_at == second.started_at


def test_runs_that_are_not_alive_are_closed_at_the_start(lease: Lease) -> None:
    one, two = make_service("one"), make_service("two")
    alive, dead = run(one), run(two)
    flush(runs_of(alive, dead), lease, Published())
    Run.objects.create(service_key="elsewhere", node="othernode", started_at=NOW, reason=Reason.BOOT)
    assert take_over_runs(lease, TakenOver(NOW, (alive,))) == 1
    assert set(Run.objects.filter(ended_at=None).values_list("service_key", flat=True)) == {
        "one",
        "elsewhere",
    }


def test_what_was_lost_is_told_in_the_history(lease: Lease) -> None:
    service = make_service()
    batch = Batch(transitions=deque([transition(service, "exited with code 1")]), lost=17)
    flush(batch, lease, Published())
    assert Transition.objects.get().detail.startswith("exited with code 1 (17 earlier changes")


def test_a_stolen_lease_writes_nothing(lease: Lease) -> None:
    """Scenario 19."""
    service = make_service()
    Node.objects.update(epoch=lease.epoch + 1)
    with pytest.raises(NodeTaken, match="has taken node testnode over"):
        flush(Batch(statuses={service.key: status(service)}), lease, Published())
    assert ServiceStatus.objects.get(service=service).pid is None


def test_a_stolen_lease_takes_no_runs_over(lease: Lease) -> None:
    """Scenario 19."""
    flush(runs_of(run(make_service())), lease, Published())
    Node.objects.update(epoch=99)
    with pytest.raises(NodeTaken):
        take_over_runs(lease, TakenOver(NOW, ()))
    assert Run.objects.get().ended_at is None


def test_a_row_that_the_database_refuses_undoes_the_whole_batch(lease: Lease) -> None:
    service = make_service()
    bad = status(service, restarts=-1)
    with pytest.raises(IntegrityError), transaction.atomic():
        flush(
            Batch(statuses={service.key: bad}, transitions=deque([transition(service)])), lease, Published()
        )
    assert not Transition.objects.exists()


def test_a_tick_and_the_heartbeat_go_along(lease: Lease) -> None:
    Node.objects.update(heartbeat_at=NOW)
    flush(Batch(tick={"backend": [1.5, 20.0]}), lease, Published())
    assert Tick.objects.get().data == {"backend": [1.5, 20.0]}
    assert Node.objects.get().is_supervised(timezone.now())


def test_a_problem_of_the_node_is_an_event_and_a_heartbeat_is_none(lease: Lease) -> None:
    before = Event.objects.count()
    flush(Batch(), lease, Published())
    assert Event.objects.count() == before
    flush(Batch(problem="The disk is full."), lease, Published())
    newest = Event.objects.latest("id")
    assert (newest.topic, newest.data["problem"]) == ("node", "The disk is full.")


def test_a_batch_of_hundreds_of_services_takes_few_statements(
    lease: Lease, django_assert_max_num_queries: Any
) -> None:
    node = Node.objects.get()
    services = Service.objects.bulk_create(
        [Service(key=f"s{n}", name="S", command=["x"], node=node) for n in range(300)]
    )
    ServiceStatus.objects.bulk_create([ServiceStatus(service=s, since=NOW) for s in services])
    batch = Batch(
        statuses={s.key: status(s) for s in services},
        transitions=deque([transition(s) for s in services]),
        runs={row.run_id: row for row in (run(s) for s in services)},
    )
    with django_assert_max_num_queries(25):
        flush(batch, lease, Published())
    assert ServiceStatus.objects.filter(pid=4711).count() == 300
    assert Event.objects.filter(topic="service").count() == 300
