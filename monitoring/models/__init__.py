"""The tables of this app: what is declared, and what the supervisor reports of it."""

from monitoring.models.history import Run, Transition
from monitoring.models.node import Node
from monitoring.models.service import Dependency, Service, ServiceQuerySet
from monitoring.models.status import ServiceStatus

__all__ = ["Dependency", "Node", "Run", "Service", "ServiceQuerySet", "ServiceStatus", "Transition"]
