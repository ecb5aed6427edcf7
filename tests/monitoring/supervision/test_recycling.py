"""Runs that are at a limit are replaced: memory, CPU, age. Real processes. Scenario 29."""

import sys
import time

from monitoring.models import Service, ServiceStatus, Transition
from monitoring.supervisor.limits import lifetime
from monitoring.supervisor.recycling import CONFIRM_SECONDS
from monitoring.supervisor.spec import Limits
from tests.factories import make_service
from tests.monitoring.supervision.ward import Ward, program

BUSY = [sys.executable, "-S", "-E", "-c", "while True: pass"]


def replaced(ward: Ward, service: Service, pid: int | None, timeout: float = 20.0) -> ServiceStatus:
    return ward.comes_back(service, pid, timeout)


def test_scenario_29_a_leak_in_a_grandchild_has_the_service_replaced_and_shared_memory_counts_once(
    shared_ward: Ward,
) -> None:
    ward = shared_ward
    # Seven processes share 40 MB: 280 MB where each is counted, 45 MB where shared memory counts once.
    modest = ward.declare(command=program("preforked_pool", "6", "40"), max_memory_mb=120)
    modest_pid = ward.reaches(modest, "RUNNING").pid
    since = time.monotonic()
    greedy = ward.declare(command=program("preforked_pool", "6", "40"), max_memory_mb=30)
    leaking = ward.declare(command=program("leaking_below", "2", "4"), max_memory_mb=60)
    leaking_pid = ward.reaches(leaking, "RUNNING").pid
    status = replaced(ward, leaking, leaking_pid)
    assert (status.reason, status.restarts) == ("memory", 1)
    assert status.detail.startswith("used ")
    assert status.detail.endswith(" MB of 60 MB")
    assert int(status.detail.split()[1]) > 60
    assert status.auto_recovery
    # What it was replaced for comes again at once. It is not restarted in a circle, and says so.
    ward.wait(lambda: "restarted for such a thing just before" in ward.status(leaking).detail, "it says so")
    assert ward.status(leaking).pid == status.pid
    ward.reaches(greedy, "RUNNING", reason="memory")
    assert time.monotonic() - since > CONFIRM_SECONDS
    after = ward.status(modest)
    assert (after.pid, after.restarts, after.reason) == (modest_pid, 0, "boot")
    for service in (modest, greedy, leaking):
        ward.act(service, "stop")


def test_cpu_over_its_time_has_the_service_replaced(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=BUSY, max_cpu_percent=15.0, max_cpu_seconds=5.0)
    pid = shared_ward.reaches(service, "RUNNING").pid
    began = time.monotonic()
    status = replaced(shared_ward, service, pid)
    assert time.monotonic() - began > 4
    assert status.reason == "cpu"
    assert "% CPU of 15 % over 5 s" in status.detail
    shared_ward.act(service, "stop")


def test_a_group_is_replaced_one_by_one_and_never_below_its_minimum(shared_ward: Ward) -> None:
    ward = shared_ward
    pair = [ward.declare(group="pair", max_age_seconds=2.0, min_ready=1, start_seconds=0.3) for _ in range(2)]
    began = time.monotonic()
    ward.wait(lambda: all(ward.status(one).restarts >= 2 for one in pair), "both are replaced twice", 30)
    assert time.monotonic() - began > 2
    for one in pair:
        assert ward.status(one).auto_recovery
        assert not ward.status(one).flapping
    running: dict[int, bool] = dict.fromkeys((one.pk for one in pair), False)
    fewest: list[int] = []
    for row in Transition.objects.filter(service__in=pair).order_by("id"):
        assert row.service_id is not None
        running[row.service_id] = row.to_state == "RUNNING"
        if fewest or all(running.values()):
            fewest.append(sum(running.values()))
    assert min(fewest) == 1
    told = Transition.objects.filter(service__in=pair, to_state="STOPPING")
    assert {row.reason for row in told} == {"max-age"}
    for one in pair:
        ward.act(one, "stop")


def test_alone_in_its_group_it_waits_and_says_for_what(shared_ward: Ward) -> None:
    service = shared_ward.declare(group="lonely", max_age_seconds=0.5, min_ready=1)
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(
        lambda: "waits for its turn: 1 other of its group has" in shared_ward.status(service).detail,
        "it says so",
    )
    status = shared_ward.status(service)
    assert (status.pid, status.state, status.reason) == (pid, "RUNNING", "max-age")
    # Without the minimum it is replaced, so it was this that held it back.
    service.min_ready = 0
    service.save()
    replaced(shared_ward, service, pid)
    shared_ward.act(service, "stop")


def test_without_auto_recovery_a_limit_is_told_and_nothing_is_restarted(shared_ward: Ward) -> None:
    service = shared_ward.declare(autostart=False, max_age_seconds=1.0)
    shared_ward.act(service, "auto-recovery-off")
    shared_ward.act(service, "start")
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(
        lambda: "not restarted, since auto-recovery is off" in shared_ward.status(service).detail,
        "it says so",
    )
    assert shared_ward.status(service).pid == pid
    # A limit that is taken away is not told any more.
    service.max_age_seconds = 0.0
    service.save()
    shared_ward.reaches(service, "RUNNING", detail="", pid=pid)
    shared_ward.act(service, "stop")


def test_a_supervisor_that_takes_over_keeps_the_date(ward: Ward) -> None:
    make_service("aging", command=["sleep", "600"], start_seconds=0.05, max_age_seconds=5.0)
    ward.start()
    service = Service.objects.get(key="aging")
    first = ward.reaches(service, "RUNNING")
    began = time.monotonic()
    ward.wait(lambda: time.monotonic() - began > 3.5, "it has lived for most of its time")
    ward.kill_supervisor()
    ward.start()
    replaced(ward, service, first.pid)
    run = ward.runs(service)[0]
    assert run.pid == first.pid
    rows = Transition.objects.filter(service=service)
    adopted = rows.filter(reason="adopted").earliest("at")
    stopped = rows.filter(to_state="STOPPING", reason="max-age").earliest("at")
    due = lifetime(Limits(age_seconds=5.0), str(run.run_id))
    assert (stopped.at - run.started_at).total_seconds() > due - 0.5
    assert (stopped.at - adopted.at).total_seconds() < due - 0.5, "it is not counted from the take-over on"
