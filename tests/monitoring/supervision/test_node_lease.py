"""One supervisor per node, by the row that all who share the database can see."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from medimgr.events.models import Event
from monitoring.models import Node
from monitoring.supervisor import lease as leases
from monitoring.supervisor.identity import boot_id
from monitoring.supervisor.lease import NodeTaken

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def no_wait(_: float) -> None:
    """Let no time pass."""


def of_the_past(**fields: object) -> Node:
    """A node that had a supervisor."""
    values = {"supervisor_pid": 999_999_999, "boot_id": boot_id(), "heartbeat_at": timezone.now(), "epoch": 4}
    return Node.objects.create(name="testnode", **{**values, **fields})


def test_a_new_node_is_taken_and_published() -> None:
    lease = leases.take("testnode", no_wait)
    node = Node.objects.get()
    assert (node.supervisor_pid, node.epoch, node.boot_id) == (os.getpid(), 1, boot_id())
    assert (lease.fresh, lease.rebooted) == (True, False)
    event = Event.objects.get(topic="node")
    assert (event.key, event.data["supervised"]) == ("testnode", True)


def test_a_dead_predecessor_is_replaced_at_once() -> None:
    of_the_past()
    lease = leases.take("testnode", no_wait)
    assert (lease.epoch, lease.fresh, lease.rebooted) == (5, False, False)


def test_after_a_reboot_everything_is_fresh() -> None:
    """Scenario 20."""
    of_the_past(boot_id="another", heartbeat_at=timezone.now() - timedelta(minutes=5))
    lease = leases.take("testnode", no_wait)
    assert (lease.fresh, lease.rebooted) == (True, True)


def test_one_that_reports_from_another_machine_is_respected() -> None:
    node = of_the_past(boot_id="another")

    def it_reports(_: float) -> None:
        Node.objects.filter(pk=node.pk).update(heartbeat_at=timezone.now() + timedelta(seconds=1))

    with pytest.raises(NodeTaken, match="999999999 of another machine"):
        leases.take("testnode", it_reports)


def test_one_that_ends_while_it_is_watched_is_replaced() -> None:
    node = of_the_past(boot_id="another")

    def it_ends(_: float) -> None:
        Node.objects.filter(pk=node.pk).update(supervisor_pid=None)

    assert leases.take("testnode", it_ends).epoch == 5


def test_a_pid_that_is_another_program_by_now_is_no_supervisor() -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        of_the_past(supervisor_pid=stranger.pid)
        assert leases.take("testnode", lambda _: pytest.fail("waited for a stranger")).epoch == 5
    finally:
        stranger.kill()
        stranger.wait()


def test_a_release_frees_the_node_but_not_one_that_another_has() -> None:
    lease = leases.take("testnode", no_wait)
    Node.objects.update(epoch=9)
    leases.release(lease)
    assert Node.objects.get().supervisor_pid == os.getpid()
    Node.objects.update(epoch=lease.epoch)
    leases.release(lease)
    assert Node.objects.get().supervisor_pid is None
    assert Event.objects.filter(topic="node").latest("id").data["supervised"] is False
