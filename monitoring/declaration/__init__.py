"""The rules that a service's declaration has to keep, one set for admin, importer and API.

Pure but for looking at this machine's files and accounts. Each fault names the field and the mend; who
reports it names the service. ``faults`` takes whatever JSON can say in any field and never raises.
"""

from collections import defaultdict

from monitoring.declaration import health, limits, ports, program, restart, schedule, start, stop
from monitoring.declaration.circles import cycle
from monitoring.declaration.declared import Declared, default_success_codes
from monitoring.declaration.numbers import unusable as unusable_numbers
from monitoring.declaration.ports import shared_ports
from monitoring.declaration.schedule import dependency_faults

__all__ = [
    "Declared",
    "cycle",
    "default_success_codes",
    "dependency_faults",
    "faults",
    "shared_ports",
    "unusable_numbers",
]

_SUBJECTS = (program, ports, schedule, start, restart, stop, health, limits)


def faults(declared: Declared) -> dict[str, list[str]]:
    """Return messages by field, empty where all is well. Reads files' metadata and the account lists."""
    found: dict[str, list[str]] = defaultdict(list)
    for subject in _SUBJECTS:
        for field, message in subject.faults(declared):
            found[field].append(message)
    return dict(found)
