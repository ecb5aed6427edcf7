"""How many services of a node may be starting at the same time is set by people, and holds at once."""

import itertools

import pytest

from monitoring.actions import request_actions
from monitoring.models import Node, Service, Transition
from tests.factories import make_node
from tests.monitoring.supervision.ward import TESTER, Ward, program
from tests.running import free_port

pytestmark = pytest.mark.both_databases


def slow_starters(ward: Ward, count: int) -> list[Service]:
    """Declare services, stopped, that take a moment to become ready."""
    found = []
    for _ in range(count):
        port = free_port()
        found.append(
            ward.declare(
                command=program("late_server", str(port), "0.4"),
                health_kind="tcp",
                health_port=port,
                start_timeout_seconds=20.0,
                autostart=False,
            )
        )
    return found


def most_at_once(services: list[Service]) -> int:
    """Return how many of them were STARTING when the most were."""
    changes = []
    for row in Transition.objects.filter(service__in=services):
        changes += [(row.at, 1)] if row.to_state == "STARTING" else []
        changes += [(row.at, -1)] if row.from_state == "STARTING" else []
    return max(itertools.accumulate(change for _, change in sorted(changes)))


def start(ward: Ward, services: list[Service]) -> None:
    for operation in request_actions(services, "start", TESTER).operations:
        assert ward.ended(operation).status == "SUCCESS"


def test_the_number_is_kept_and_a_new_one_holds_at_once(shared_ward: Ward) -> None:
    node = make_node()
    node.start_concurrency = 1
    node.save()
    one_by_one = slow_starters(shared_ward, 4)
    start(shared_ward, one_by_one)
    assert most_at_once(one_by_one) == 1
    node.start_concurrency = 3
    node.save(update_fields=["start_concurrency"])
    more = slow_starters(shared_ward, 6)
    start(shared_ward, more)
    assert most_at_once(more) == 3


def test_a_supervisor_begins_with_what_is_set(ward: Ward) -> None:
    Node.objects.filter(pk=make_node().pk).update(start_concurrency=2)
    services = slow_starters(ward, 4)
    for service in services:
        service.autostart = True
        service.status.intent = "up"
        service.status.save()
        service.save()
    ward.start()
    for service in services:
        ward.reaches(service, "RUNNING")
    assert most_at_once(services) == 2
