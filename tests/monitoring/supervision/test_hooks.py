"""The commands that go with a service run in their order, within their time, and beside nothing else."""

from typing import Any

from monitoring.models import Service, Transition
from monitoring.states import Reason
from tests.monitoring.supervision.ward import Ward, program, sleeper


def says(*words: str, then: str = "") -> list[str]:
    """Return a command that writes a line of ``words`` and what it knows, and does ``then``."""
    return ["/bin/sh", "-c", f'echo "{" ".join(words)}"; {then or ":"}']


def hooks(**others: Any) -> dict[str, Any]:
    """Return the fields of a service whose hooks all tell that they run."""
    return {
        "command": ["/bin/sh", "-c", "echo service runs; exec sleep 600"],
        "pre_start_command": says("hook=$MEDIMGR_HOOK pid=$MEDIMGR_PID"),
        "post_start_command": says("hook=$MEDIMGR_HOOK pid=$MEDIMGR_PID"),
        "pre_stop_command": says("hook=$MEDIMGR_HOOK pid=$MEDIMGR_PID"),
        "post_stop_command": says("hook=$MEDIMGR_HOOK signal=$MEDIMGR_EXIT_SIGNAL"),
        **others,
    }


def lines(ward: Ward, service: Service) -> list[str]:
    return ward.log(service).splitlines()


def told(ward: Ward, service: Service) -> list[str]:
    rows = Transition.objects.filter(service_id=service.pk, reason=Reason.HOOK_FAILED).order_by("id")
    return [row.detail for row in rows]


def test_the_hooks_of_a_life_run_in_order_and_know_what_they_need(shared_ward: Ward) -> None:
    service = shared_ward.declare(**hooks())
    pid = shared_ward.reaches(service, "RUNNING").pid
    shared_ward.wait(lambda: "hook=post-start" in shared_ward.log(service), "the post-start hook has run")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert lines(shared_ward, service) == [
        "hook=pre-start pid=",
        "service runs",
        f"hook=post-start pid={pid}",
        f"hook=pre-stop pid={pid}",
        "hook=post-stop signal=SIGTERM",
    ]


def test_a_pre_start_hook_that_fails_keeps_the_service_from_starting(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        **hooks(pre_start_command=says("disk is full", then="exit 3")), backoff_base_seconds=60.0
    )
    status = shared_ward.reaches(service, "BACKOFF", reason="hook-failed")
    assert "exited with code 3: disk is full" in status.detail
    assert "service runs" not in shared_ward.log(service)
    assert shared_ward.runs(service) == []


def test_a_hook_that_fails_later_is_told_and_no_more(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        **hooks(
            post_start_command=says("no", then="exit 4"),
            pre_stop_command=says("no", then="exit 5"),
            post_stop_command=says("no", then="exit 6"),
        )
    )
    shared_ward.reaches(service, "RUNNING")
    shared_ward.wait(lambda: told(shared_ward, service), "the failure is told")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    shared_ward.reaches(service, "STOPPED", reason="operator")
    shared_ward.wait(lambda: len(told(shared_ward, service)) == 3, "all failures are told")
    assert ["code 4" in told(shared_ward, service)[0], "code 5" in told(shared_ward, service)[1]] == [
        True
    ] * 2
    assert told(shared_ward, service)[2].startswith("Its post-stop command failed: exited with code 6")


def test_a_post_stop_hook_runs_after_a_crash_and_before_the_next_start(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        **hooks(post_stop_command=says("hook=post-stop signal=$MEDIMGR_EXIT_SIGNAL", then="sleep 0.3"))
    )
    shared_ward.reaches(service, "RUNNING")
    old = shared_ward.kill(service)
    shared_ward.comes_back(service, old)
    written = [line for line in lines(shared_ward, service) if "post-stop" in line or "runs" in line]
    assert written == ["service runs", "hook=post-stop signal=SIGKILL", "service runs"]


def test_scenario_15_a_hanging_hook_is_killed_at_its_timeout_and_holds_up_nobody(shared_ward: Ward) -> None:
    hanging = shared_ward.declare(
        **hooks(pre_start_command=sleeper()), hook_timeout_seconds=1.5, backoff_base_seconds=60.0
    )
    other = shared_ward.declare()
    shared_ward.reaches(other, "RUNNING")
    shared_ward.reaches(hanging, "STARTING")
    for _ in range(3):
        old = shared_ward.kill(other)
        shared_ward.comes_back(other, old, timeout=5.0)
    status = shared_ward.reaches(hanging, "BACKOFF", reason="hook-failed")
    assert "was still running after 1.5 s and was killed" in status.detail


def test_a_stop_does_not_wait_for_a_pre_start_hook(shared_ward: Ward) -> None:
    service = shared_ward.declare(**hooks(pre_start_command=says("begun", then="sleep 600")))
    shared_ward.wait(lambda: "begun" in shared_ward.log(service), "the hook runs")
    assert shared_ward.status(service).state == "STARTING"
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert shared_ward.status(service).state == "STOPPED"
    shared_ward.wait(lambda: not of_hooks(shared_ward, service), "nothing of the hook is left")


def test_a_second_stop_with_force_ends_hanging_hooks(shared_ward: Ward) -> None:
    service = shared_ward.declare(**hooks(pre_stop_command=sleeper(), post_stop_command=sleeper()))
    shared_ward.reaches(service, "RUNNING")
    shared_ward.ask(service, "stop")
    shared_ward.reaches(service, "STOPPING")
    assert shared_ward.processes(service)
    shared_ward.ask(service, "stop", force=True)
    shared_ward.wait(lambda: not shared_ward.processes(service), "it is killed")
    # Now it is in its post-stop hook, which is a phase of its own.
    assert shared_ward.status(service).state == "STOPPING"
    assert shared_ward.act(service, "stop", force=True).status == "SUCCESS"
    shared_ward.reaches(service, "STOPPED")
    assert shared_ward.processes(service) == []
    shared_ward.wait(lambda: not of_hooks(shared_ward, service), "nothing of the hooks is left")


def test_a_supervisor_killed_during_a_pre_start_hook_leaves_nothing_and_its_successor_starts_anew(
    ward: Ward,
) -> None:
    ward.start()
    gate = ward.instance.data_dir / "gate"
    service = ward.declare(
        **hooks(pre_start_command=says("begun", then=f"[ -e {gate} ] || exec sleep 600")),
        restart_policy="never",
    )
    ward.wait(lambda: "begun" in ward.log(service), "the hook runs")
    ward.reaches(service, "STARTING")
    ward.kill_supervisor()
    gate.touch()
    ward.start()
    ward.reaches(service, "RUNNING")
    assert lines(ward, service).count("begun") == 2
    assert len(ward.processes(service)) == 1
    ward.wait(lambda: not of_hooks(ward, service), "nothing of the first hook is left")


def test_a_supervisor_killed_during_a_pre_stop_hook_has_its_stop_carried_on(ward: Ward) -> None:
    ward.start()
    gate = ward.instance.data_dir / "gate"
    service = ward.declare(
        **hooks(pre_stop_command=says("asked", then=f"[ -e {gate} ] || exec sleep 600")),
    )
    ward.reaches(service, "RUNNING")
    ward.ask(service, "stop")
    ward.wait(lambda: "asked" in ward.log(service), "the hook runs")
    ward.reaches(service, "STOPPING")
    ward.kill_supervisor()
    gate.touch()
    ward.start()
    ward.reaches(service, "STOPPED", intent="down")
    assert [line[:14] for line in lines(ward, service)][-2:] == ["asked", "hook=post-stop"]
    assert ward.processes(service) == []


def test_a_supervisor_killed_during_a_post_stop_hook_has_it_run_again(ward: Ward) -> None:
    ward.start()
    gate = ward.instance.data_dir / "gate"
    service = ward.declare(
        **hooks(post_stop_command=says("cleans", then=f"[ -e {gate} ] || exec sleep 600")),
        restart_policy="never",
    )
    ward.reaches(service, "RUNNING")
    ward.kill(service)
    ward.wait(lambda: "cleans" in ward.log(service), "the hook runs")
    ward.reaches(service, "EXITED", reason="crash")
    ward.kill_supervisor()
    gate.touch()
    ward.start()
    ward.wait(lambda: lines(ward, service).count("cleans") == 2, "the hook runs again")
    ward.reaches(service, "EXITED", reason="crash")
    (run,) = ward.runs(service)
    assert run.exit_signal == "SIGKILL"
    ward.act(service, "start")
    assert lines(ward, service).count("cleans") == 2


def of_hooks(ward: Ward, service: Service) -> list[Any]:
    """Return the processes of commands that go with the service."""
    found = []
    for process in ward.instance.living():
        try:
            if process.environ().get("MEDIMGR_COMMAND_OF") == service.key:
                found.append(process)
        except Exception:  # gone meanwhile
            continue
    return found


def test_a_stop_hook_may_use_the_services_own_program(shared_ward: Ward) -> None:
    service = shared_ward.declare(
        **hooks(
            command=program("slow_to_stop", "60"), pre_stop_command=["/bin/sh", "-c", "kill -9 $MEDIMGR_PID"]
        )
    )
    shared_ward.reaches(service, "RUNNING")
    assert shared_ward.act(service, "stop").status == "SUCCESS"
    assert shared_ward.runs(service)[0].exit_signal == "SIGKILL"
