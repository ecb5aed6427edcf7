"""The row that says which supervisor a node has. Its epoch fences one that has been replaced.

The file lock keeps two supervisors apart that share a data directory; this row, those that share only
the database. Every write of a supervisor is made under the condition that its epoch still holds.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from medimgr import __version__
from medimgr.events.log import Fact, publish_all
from medimgr.lib.branches import SystemProblem
from monitoring.models import Node
from monitoring.supervisor.identity import boot_id, read_stat

# A live supervisor is seen to report within this time.
WATCH_SECONDS = Node.HEARTBEAT_SECONDS * 2


class NodeTaken(SystemProblem):
    """A live supervisor that we share no lock with has this node; or has taken it from us."""

    code = "node-taken"
    status = 409
    remedy = "Give each machine a MEDIMGR_NODE of its own; two supervisors of one node would fight."


@dataclass(frozen=True, slots=True)
class Lease:
    """A supervisor's hold on its node."""

    node: int
    """Primary key."""
    name: str
    epoch: int
    rebooted: bool
    fresh: bool


def take(name: str, wait: Callable[[float], Any] = time.sleep) -> Lease:
    """Take the node called ``name`` over, making its row where there is none.

    Watches a predecessor that may live for up to four seconds. Raises NodeTaken, and what the driver
    raises.
    """
    node, _ = Node.objects.get_or_create(name=name)
    if _may_live(node):
        seen = node.heartbeat_at
        end = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < end:
            wait(0.25)
            node.refresh_from_db()
            if node.supervisor_pid is None:
                break
            if node.heartbeat_at != seen:
                raise NodeTaken(
                    f"Node {name} is supervised by process {node.supervisor_pid} of another machine or data "
                    "directory. Stop that first, or give this one another MEDIMGR_NODE."
                )
    with transaction.atomic():
        node = Node.objects.select_for_update().get(pk=node.pk)
        rebooted = bool(node.boot_id) and node.boot_id != boot_id()
        fresh = rebooted or (node.supervisor_pid is None and node.handed_over_at is None)
        node.epoch += 1
        node.supervisor_pid = os.getpid()
        node.boot_id = boot_id()
        node.version = __version__
        node.started_at = node.heartbeat_at = timezone.now()
        node.problem = ""
        node.handed_over_at = None
        node.save()
        publish_all([_fact(node)])
    return Lease(node.pk, name, node.epoch, rebooted, fresh)


def hold(lease: Lease, problem: str | None = None) -> list[Fact]:
    """Renew the lease inside the caller's transaction; return the events to publish at its end.

    One UPDATE; two queries more where ``problem`` is new. Raises NodeTaken where the epoch has moved on.
    """
    changes: dict[str, Any] = {"heartbeat_at": timezone.now()}
    if problem is not None:
        changes["problem"] = problem[:300]
    if not Node.objects.filter(pk=lease.node, epoch=lease.epoch).update(**changes):
        raise NodeTaken(
            f"Another supervisor has taken node {lease.name} over. This one ends and leaves the services "
            "as they are. Two machines need two values of MEDIMGR_NODE."
        )
    return [] if problem is None else [_fact(Node.objects.get(pk=lease.node))]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What people have set for a node. 0: nothing."""

    start_concurrency: int = 0
    log_budget: int = 0
    """Bytes."""


def bounds(lease: Lease) -> Bounds:
    """Return what is set for the node. One query."""
    row = Node.objects.filter(pk=lease.node).values_list("start_concurrency", "log_budget_mb").first()
    return Bounds(row[0], row[1] * 1024 * 1024) if row else Bounds()


def release(lease: Lease, *, handed_over: bool = False) -> None:
    """Say that the node has no supervisor any more, unless another one has it by now.

    ``handed_over``: its services go on and wait for the next one. Two queries in a transaction.
    """
    at = timezone.now() if handed_over else None
    with transaction.atomic():
        mine = Node.objects.filter(pk=lease.node, epoch=lease.epoch)
        if mine.update(supervisor_pid=None, problem="", handed_over_at=at):
            publish_all([_fact(Node.objects.get(pk=lease.node))])


def _fact(node: Node) -> Fact:
    return Fact("node", node.name, node.public(timezone.now()))


def _may_live(node: Node) -> bool:
    if node.supervisor_pid is None or not node.is_supervised(timezone.now()):
        return False
    if node.boot_id != boot_id():
        # Of this machine before it was booted, or of another one.
        return True
    if node.supervisor_pid == os.getpid():
        return False
    return _is_supervisor(node.supervisor_pid)


def _is_supervisor(pid: int) -> bool:
    entry = read_stat(pid)
    if entry is None or not entry.alive:
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return any(word in command for word in (b"supervise", b"\0up\0"))
