"""The ward of the supervision tests serves here, too."""

from tests.monitoring.supervision.conftest import ward

__all__ = ["ward"]
