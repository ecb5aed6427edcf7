"""Plain functions that make rows for tests, with defaults that are valid."""

import sys
from typing import Any

from django.conf import settings

from monitoring.models import Node, Service


def make_node(name: str = "") -> Node:
    """Return the node called ``name``, this machine's by default."""
    return Node.objects.get_or_create(name=name or settings.MEDIMGR_NODE)[0]


def make_service(key: str = "sleeper", **fields: Any) -> Service:
    """Create a service that sleeps, unless ``fields`` say otherwise."""
    values: dict[str, Any] = {
        "name": key.title(),
        "command": [sys.executable, "-c", "import time; time.sleep(3600)"],
        "start_seconds": 0.1,
        **fields,
    }
    values.setdefault("node", make_node())
    return Service.objects.create(key=key, **values)
