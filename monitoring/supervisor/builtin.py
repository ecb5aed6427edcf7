"""medimgr's own processes as services: the web workers and the operations worker of ``manage.py up``."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from medimgr import __version__
from monitoring.models import Node, Service, ServiceStatus
from monitoring.states import HealthKind, Intent, ReadyKind, RestartPolicy
from monitoring.supervisor.web_socket import written

GROUP = "medimgr"
WEB = "medimgr-web"
OPERATIONS = "medimgr-operations"
HANG_SECONDS = 15.0
"""A web worker whose event loop says nothing for so long hangs. It says something every two seconds."""
FORCE_SECONDS = 5.0
"""Beyond the time that a web worker may take to finish its requests, before it is killed."""
_ROOT = Path(settings.BASE_DIR)


def declare_builtin(node: str, *, host: str, port: int, fd: int, workers: int) -> None:
    """Make the rows of the built-in services of ``node`` as they should be, and remove surplus ones.

    A row that is right already is not written. They are wanted up again, whatever somebody did to them
    before. Queries and writes the database.
    """
    row, _ = Node.objects.get_or_create(name=node)
    keys: list[str] = []
    for number in range(1, workers + 1):
        keys.append(_declare(row, f"{WEB}-{number}", _web(number, workers, host, port, fd)))
    keys.append(_declare(row, OPERATIONS, _operations()))
    remove_builtin(node, keep=keys)
    ServiceStatus.objects.filter(service__key__in=keys).exclude(intent=Intent.UP).update(intent=Intent.UP)


def remove_builtin(node: str, keep: list[str] | None = None) -> None:
    """Delete the built-in services of ``node`` but those in ``keep``. Queries and writes the database."""
    for service in Service.objects.on(node).filter(builtin=True).exclude(key__in=keep or []):
        service.delete()


def is_web(key: str) -> bool:
    """Return whether ``key`` is that of a web worker."""
    return key.startswith(f"{WEB}-")


def _web(number: int, workers: int, host: str, port: int, fd: int) -> dict[str, Any]:
    return {
        "name": f"Web worker {number}" if workers > 1 else "Web worker",
        "description": "Serves the pages, the API and the streams.",
        # Those that stand in for each other, and nobody else, are a group.
        "group": WEB if workers > 1 else GROUP,
        "command": [sys.executable, "-m", "medimgr.web_worker", "--fd", str(fd)],
        # The socket is inherited, so the command does not show where it listens; a worker that was
        # taken over has to be known as one of another address or version.
        "env": {"MEDIMGR_BIND": f"{written(host)}:{port}", "MEDIMGR_VERSION": __version__},
        "priority": 10,
        "ports": [port],
        # All share one socket: a probe from outside would be answered by whichever is quickest.
        "ready_kind": ReadyKind.NOTIFY,
        "health_kind": HealthKind.NOTIFY,
        "health_silence_seconds": HANG_SECONDS,
        "health_interval_seconds": 1.0,
        "health_failures": 1,
        "start_timeout_seconds": 60.0,
        "stop_timeout_seconds": settings.MEDIMGR_WEB_DRAIN_SECONDS + FORCE_SECONDS,
        "max_memory_mb": settings.MEDIMGR_WEB_MAX_MEMORY_MB,
        "max_age_seconds": settings.MEDIMGR_WEB_MAX_AGE_SECONDS,
        "max_requests": settings.MEDIMGR_WEB_MAX_REQUESTS,
        "min_ready": workers - 1,
        "warning": "The pages, this one included, are not served while it is down." if workers == 1 else "",
    }


def _operations() -> dict[str, Any]:
    return {
        "name": "Operations worker",
        "description": "Carries out operations on workstations, and the periodic chores.",
        "command": [sys.executable, str(_ROOT / "manage.py"), "run_operations"],
        "env": {"MEDIMGR_VERSION": __version__},
        "group": GROUP,
        "priority": 20,
        "stop_timeout_seconds": 15.0,
    }


def _declare(node: Node, key: str, wanted: dict[str, Any]) -> str:
    """Make or correct one row; return its key, which names the node where another node has the short one."""
    wanted = {
        **wanted,
        "builtin": True,
        "cwd": str(_ROOT),
        "restart_policy": RestartPolicy.ALWAYS,
        "autostart": True,
    }
    with transaction.atomic():
        service = Service.objects.filter(key=key).first()
        if service is not None and service.node_id != node.pk:
            key = f"{key}.{node.name.lower()}"[:63]
            service = Service.objects.filter(key=key).first()
        if service is None:
            Service.objects.create(key=key, node=node, **wanted)
        elif any(getattr(service, name) != value for name, value in wanted.items()):
            for name, value in wanted.items():
                setattr(service, name, value)
            service.save()
    return key
