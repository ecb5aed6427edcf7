"""One service is killed again and again beside 300 that idle (scenario 7; how fast: script/bench)."""

from monitoring.models import Node, Service, ServiceStatus
from monitoring.states import State
from tests.monitoring.supervision.ward import Ward, sleeper

IDLE = 300
KILLS = 10


def test_only_the_one_that_was_killed_is_respawned_and_once_each_time(ward: Ward) -> None:
    victim = ward.declare("victim", stable_seconds=0.0, start_seconds=0.0)
    node = Node.objects.get()
    for number in range(IDLE):
        Service.objects.create(
            key=f"idle-{number}", name=f"Idle {number}", node=node, command=sleeper(), start_seconds=0.0
        )
    ward.start()
    running = ServiceStatus.objects.filter(state=State.RUNNING)
    ward.wait(lambda: running.count() == IDLE + 1, "all of them run", timeout=60)
    others = dict(running.exclude(service=victim).values_list("service_id", "pid"))
    for _ in range(KILLS):
        old = ward.kill(victim)
        status = ward.comes_back(victim, old)
    assert status.restarts == KILLS
    assert [process.pid for process in ward.processes(victim)] == [status.pid]
    assert [run.exit_signal for run in ward.runs(victim)] == ["SIGKILL"] * KILLS + [""]
    assert dict(running.exclude(service=victim).values_list("service_id", "pid")) == others
