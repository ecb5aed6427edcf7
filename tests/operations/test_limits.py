"""No more of a kind, or in a lane, run than its limit says; what is at its limit hides nothing behind it."""

import contextlib
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import claiming, lifecycle
from operations.claiming import take
from operations.executor import Executor
from operations.job import Job
from operations.lifecycle import End
from operations.models import Operation
from operations.registry import WORKER_QUEUE
from operations.states import Status
from tests.operations.asking import ask, declare, together, wait_until_ended

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def by_machine(target: Any) -> tuple[str, int]:
    """Let the services whose keys begin alike share a machine, which takes two at a time."""
    return f"machine-{target.key[0]}", 2


def keys(limit: int = 16) -> list[str]:
    return [operation.target_key for operation in lifecycle.claim(WORKER_QUEUE, "w", limit=limit)]


def end_all() -> None:
    rows = list(Operation.objects.filter(status=Status.RUNNING))
    assert lifecycle.finish_all([End(row, Status.SUCCESS) for row in rows]) == [None] * len(rows)


def backlog(count: int, **values: Any) -> None:
    """Store so many waiting operations at once, as if they had been asked for one by one."""
    now = timezone.now()
    prefix = values.pop("prefix", "") or values.get("lane", "") or "x"
    Operation.objects.bulk_create(
        Operation(
            target_type="service",
            target_key=f"{prefix}-{number}",
            queue=WORKER_QUEUE,
            requester="alice",
            source="api",
            created_at=now,
            run_after=now,
            deadline_at=now + timedelta(hours=1),
            **{"kind": "service.work"} | values,
        )
        for number in range(count)
    )


def test_a_kind_has_so_many_at_once_and_the_next_begins_when_one_has_ended() -> None:
    declare("service.two", at_once=2)
    for number in range(5):
        ask("service.two", key=f"s{number}")
    assert keys() == ["s0", "s1"]
    assert keys() == []
    [first, _] = Operation.objects.filter(status=Status.RUNNING).order_by("id")
    lifecycle.finish(first, Status.FAILED)
    assert keys() == ["s2"]
    end_all()
    assert keys() == ["s3", "s4"]


def test_a_lane_is_shared_by_all_kinds() -> None:
    declare("service.left", lane=by_machine)
    declare("service.right", lane=by_machine)
    for key, kind in (
        ("a1", "service.left"),
        ("a2", "service.right"),
        ("a3", "service.left"),
        ("b1", "service.left"),
    ):
        ask(kind, key=key)
    assert keys() == ["a1", "a2", "b1"]
    assert set(Operation.objects.values_list("lane", "lane_limit")) == {("machine-a", 2), ("machine-b", 2)}
    end_all()
    assert keys() == ["a3"]


def test_a_lane_counts_whatever_queue_it_is_of() -> None:
    declare("service.left", lane=by_machine)
    ask("service.left", key="a1", queue="node:alpha")
    ask("service.left", key="a2", queue="node:alpha")
    ask("service.left", key="a3")
    assert len(lifecycle.claim("node:alpha", "supervisor")) == 2
    assert keys() == []


def test_what_waits_for_its_lane_hides_nothing_behind_it() -> None:
    declare("service.lane", lane=by_machine)
    declare("service.one", at_once=1)
    backlog(300, lane="hot", lane_limit=1)
    backlog(300, kind="service.one")
    ask(key="behind")
    assert keys() == ["hot-0", "x-0", "behind"]
    assert keys() == []
    with CaptureQueriesContext(connection) as queries:
        assert take(WORKER_QUEUE, "w").waiting
    assert len(queries) <= 4, "What is full is looked at again and again."
    assert not any("UPDATE" in query["sql"] or "BEGIN" in query["sql"] for query in queries), (
        "It took a lock."
    )


def test_many_full_lanes_cost_a_bounded_number_of_queries() -> None:
    for number in range(30):
        backlog(70, lane=f"lane{number:02}", lane_limit=1)
    with CaptureQueriesContext(connection) as queries:
        taken = keys(8)
    assert taken == [f"lane{number:02}-0" for number in range(8)]
    assert len(queries) <= 4 + 2 * (8 + 1) + 6


def test_the_most_urgent_of_a_lane_goes_first() -> None:
    declare("service.lane", lane=by_machine)
    for key, priority in (("a1", 0), ("a2", 0), ("a3", 9), ("b1", -1)):
        ask("service.lane", key=key, priority=priority)
    assert keys() == ["a3", "a1", "b1"]


def test_a_limit_that_was_lowered_holds_for_what_was_asked_under_it() -> None:
    backlog(1, lane="m", lane_limit=3)
    Operation.objects.update(target_key="old")
    backlog(2, lane="m", lane_limit=1)
    assert keys() == ["old"]


def test_what_takes_its_lane_alone_waits_until_it_is_empty_and_keeps_the_others_out() -> None:
    backlog(2, lane="m", lane_limit=3, prefix="start")
    backlog(1, lane="m", lane_limit=1, prefix="clone")
    backlog(2, lane="m", lane_limit=3, prefix="stop")
    assert keys() == ["start-0", "start-1"]
    [first, second] = Operation.objects.filter(status=Status.RUNNING)
    lifecycle.finish(first, Status.SUCCESS)
    assert keys() == []
    lifecycle.finish(second, Status.SUCCESS)
    assert keys() == ["clone-0"]
    assert keys() == []
    end_all()
    assert keys() == ["stop-0", "stop-1"]


def test_what_comes_later_does_not_overtake_what_waits_to_have_its_lane_alone() -> None:
    backlog(1, lane="m", lane_limit=2, prefix="start")
    assert keys() == ["start-0"]
    backlog(1, lane="m", lane_limit=1, prefix="clone")
    backlog(100, lane="m", lane_limit=2, prefix="stop")
    backlog(100, lane="n", lane_limit=1)
    assert keys() == ["n-0"], "Only the first of the lane m may be next in it."
    end_all()
    assert keys() == ["clone-0", "n-1"]


def test_a_kind_at_its_limit_does_not_hold_up_its_lane() -> None:
    declare("service.one", at_once=1)
    backlog(1, kind="service.one")
    backlog(1, kind="service.one", lane="m", lane_limit=2, prefix="one")
    backlog(1, lane="m", lane_limit=2, prefix="other")
    assert keys() == ["x-0", "other-0"]


@pytest.mark.django_db(transaction=True)
def test_mixed_limits_of_a_lane_hold_however_many_claim_at_once() -> None:
    limits = [1 if number % 4 == 0 else 3 for number in range(40)]
    backlog(40, lane="m", lane_limit=3)
    for row, limit in zip(Operation.objects.order_by("id"), limits, strict=True):
        Operation.objects.filter(pk=row.pk).update(lane_limit=limit)
    broken: list[list[int]] = []

    def work(name: str) -> None:
        while Operation.objects.active().exists():
            held = lifecycle.claim(WORKER_QUEUE, name, limit=3)
            running = list(
                Operation.objects.filter(status=Status.RUNNING).values_list("lane_limit", flat=True)
            )
            if running and len(running) > min(running):
                broken.append(running)
            lifecycle.finish_all([End(operation, Status.SUCCESS) for operation in held])
            time.sleep(0.002 * (not held))  # lets the others have their turn

    assert together(*[lambda n=n: work(f"w{n}") for n in range(4)]) == [None] * 4
    assert broken == []
    begun = Operation.objects.order_by("started_at", "id").values_list("id", flat=True)
    assert list(begun) == sorted(begun), "A lane keeps its order."


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limited", ["kind", "lane"])
def test_a_limit_holds_however_many_claim_at_once(limited: str) -> None:
    most = 3
    declare("service.few", at_once=most if limited == "kind" else 0)
    backlog(60, kind="service.few", lane="m" if limited == "lane" else "", lane_limit=most)
    seen: Counter[int] = Counter()

    def work(name: str) -> None:
        idle = 0
        while idle < 30:
            held = lifecycle.claim(WORKER_QUEUE, name, limit=2)
            idle = 0 if held else idle + 1
            seen[Operation.objects.filter(status=Status.RUNNING).count()] += 1
            lifecycle.finish_all([End(operation, Status.SUCCESS) for operation in held])
            if not Operation.objects.active().exists():
                return
            time.sleep(0.002 * bool(idle))  # lets the others have their turn

    outcomes = together(*[lambda n=n: work(f"w{n}") for n in range(4)])
    assert outcomes == [None] * 4
    assert not Operation.objects.active().exists()
    assert 1 < max(seen) <= most, f"At most {most} may run: {sorted(seen)}"


@pytest.mark.django_db(transaction=True)
def test_two_that_counted_at_the_same_moment_do_not_both_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    declare("service.one", at_once=1)
    ask("service.one", key="a")
    ask("service.one", key="b", queue="node:alpha")
    both = threading.Barrier(2)
    give = claiming._give

    def give_when_both_have_counted(*what: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.7)
        give(*what)

    monkeypatch.setattr(claiming, "_give", give_when_both_have_counted)
    hauls = together(
        lambda: lifecycle.claim(WORKER_QUEUE, "w"), lambda: lifecycle.claim("node:alpha", "supervisor")
    )
    assert sorted(map(len, hauls)) == [0, 1]
    assert Operation.objects.filter(status=Status.RUNNING).count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_executor_keeps_to_the_limit_and_gets_through() -> None:
    lock, now_running, most = threading.Lock(), [0], [0]

    def handler(job: Job) -> None:
        with lock:
            now_running[0] += 1
            most[0] = max(most[0], now_running[0])
        job.wait(0.02)
        with lock:
            now_running[0] -= 1

    declare("service.two", handler=handler, at_once=2)
    asked = [ask("service.two", key=f"s{number}") for number in range(10)]
    Executor(threads=4).run(drain=True)
    assert {wait_until_ended(operation).status for operation in asked} == {"SUCCESS"}
    assert most[0] == 2


def test_a_lane_is_asked_for_with_the_target() -> None:
    seen: list[Model] = []

    def lane(target: Model) -> tuple[str, int]:
        seen.append(target)
        return "", 0

    declare("service.asked", lane=lane)
    ask("service.asked", key="a")
    assert [str(target) for target in seen] == ["A"]
