"""A declaration without fault, for tests to spoil. Never saved."""

import sys
from typing import Any

from monitoring.models import Service


def declared(**fields: Any) -> Service:
    """Return a service that keeps all rules, but for what ``fields`` say."""
    return Service(**{"key": "web", "name": "Web", "command": [sys.executable, "-c", "pass"], **fields})
