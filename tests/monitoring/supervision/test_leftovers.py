"""Whatever a process leaves behind when it ends is ended, and nothing is started beside it."""

import psutil
import pytest

from monitoring.models import Service
from tests.monitoring.supervision.ward import Ward, program


def leftovers(ward: Ward, service: Service) -> list[int]:
    """Return the live pids among those that the service's runs have written."""
    found = []
    for pid in map(int, ward.log(service).split()):
        try:
            process = psutil.Process(pid)
            if process.name() == "sleep" and process.status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("code", ["0", "1"])
def test_a_child_in_a_group_of_its_own_without_environment_ends_with_its_leader(
    shared_ward: Ward, code: str
) -> None:
    """Scenario 9."""
    service = shared_ward.declare(command=program("deserter", code), restart_policy="never")
    shared_ward.reaches(service, "EXITED")
    shared_ward.wait(lambda: shared_ward.log(service).strip(), "it has written its child's pid")
    shared_ward.wait(lambda: not leftovers(shared_ward, service), "the child is ended", timeout=5)


def test_no_run_begins_beside_the_rest_of_an_earlier_one(shared_ward: Ward) -> None:
    service = shared_ward.declare(command=program("deserter", "1"), backoff_base_seconds=0.05)
    shared_ward.wait(lambda: len(shared_ward.runs(service)) >= 4, "it crashes and comes back")
    shared_ward.act(service, "stop")
    assert leftovers(shared_ward, service) == []


def test_the_supervisor_keeps_no_zombie_of_what_has_ended(shared_ward: Ward) -> None:
    """Scenario 14."""
    services = [
        shared_ward.declare(command=program("deserter", "1"), restart_policy="never"),
        shared_ward.declare(command=["true"], restart_policy="never"),
        shared_ward.declare(command=["false"], backoff_base_seconds=0.02, backoff_cap_seconds=0.02),
    ]
    for service in services[:2]:
        shared_ward.reaches(service, "EXITED")
    shared_ward.wait(lambda: len(shared_ward.runs(services[2])) >= 3, "it crashes and comes back")
    shared_ward.act(services[2], "stop")
    supervisor = psutil.Process(shared_ward.running().pid)
    shared_ward.wait(lambda: not supervisor.children(), "all of its children are collected", timeout=5)
