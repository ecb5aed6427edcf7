"""What a workstation is made of and who is logged on to it: one question, asked when somebody wants to know.

It is stored in ``Workstation.system`` as ``{"at": time, ...}`` with the fields of
:class:`workstations.powershell.SystemInfo`.
"""

from django.utils import timezone

from operations.job import Job
from workstations.exceptions import RemoteFailure
from workstations.facts import store
from workstations.models import Workstation
from workstations.powershell import SystemInfo, ask
from workstations.reachability import record_failure
from workstations.system_words import in_words
from workstations.winrm.reaching import reach

SECONDS = 90.0
"""Counting processors and disks takes a busy Windows half a minute."""


def carry_out_read_system(job: Job) -> None:
    """Ask, store and publish. Raises RemoteFailure with the code of what went wrong."""
    workstation = job.target()
    if not isinstance(workstation, Workstation):
        raise TypeError(f"{job.kind.name} works on workstations alone.")
    job.progress(0, 1, f"Asking {workstation.name} for its system")
    began_at = timezone.now()
    with reach(workstation, job) as host:
        try:
            system = ask(host, SystemInfo, timeout=SECONDS)
        except RemoteFailure as failure:
            if failure is host.opening_failure:  # nobody could work with it, and everybody is to see that
                record_failure(workstation, failure, job.operation.pk, began_at=began_at)
            raise
    store(workstation.pk, "system", system.model_dump(mode="json"))
    for line in in_words(system):
        job.log(line)
    job.progress(1, 1, f"{system.os.name}, {system.cpu.threads} threads")
