"""Looks whether a workstation is fit to be worked with, point by point, and says how to mend what is not.

It goes on after a point that fails wherever it can, stores every finding in ``Workstation.host_check`` as
``{"at": time, "findings": [...]}`` (:class:`workstations.host_findings.Finding`), and ends well only where
all are in order.
"""

from django.utils import timezone

from operations.job import Job
from workstations import inventory
from workstations.exceptions import (
    AuthenticationFailure,
    HostCheckFailed,
    ProtocolFailure,
    QuotaExceeded,
    Refused,
    RemoteFailure,
    TlsFailure,
    UnknownHost,
    Unreachable,
)
from workstations.facts import store
from workstations.host_findings import Finding, Listing, findings, in_a_sentence
from workstations.ldplayer import list2
from workstations.models import Workstation
from workstations.polling.statuses import record_answer
from workstations.powershell import HostFacts, ask
from workstations.reachability import record_failure
from workstations.winrm import Host
from workstations.winrm.decoding import decoded
from workstations.winrm.reaching import reach

SECONDS = 90.0
"""For the one question to PowerShell, which takes seconds to start on a busy Windows."""
LIST_SECONDS = 30.0
# After one of these nothing else can be asked either.
_ENDS_ALL = (
    Unreachable,
    Refused,
    UnknownHost,
    TlsFailure,
    AuthenticationFailure,
    QuotaExceeded,
    ProtocolFailure,
)


def carry_out_check(job: Job) -> None:
    """Look, store and publish. Raises HostCheckFailed, which names the points that are not in order."""
    workstation = job.target()
    if not isinstance(workstation, Workstation):
        raise TypeError(f"{job.kind.name} works on workstations alone.")
    facts: HostFacts | RemoteFailure
    listing: Listing | RemoteFailure | None = None
    job.progress(0, 2, f"Asking {workstation.name}")
    began_at = timezone.now()
    try:
        with reach(workstation, job, always=True) as host:
            facts = _facts(host, workstation)
            job.progress(1, 2, "Reading its emulators")
            listing = _listing(host, workstation, job)
    except RemoteFailure as failure:
        facts = failure
        record_failure(workstation, failure, job.operation.pk, began_at=began_at)
    else:
        record_answer(workstation)
    found = findings(workstation, facts, listing)
    _tell(job, found)
    store(workstation.pk, "host_check", {"findings": found})
    sentence = in_a_sentence(found)
    if sentence:
        raise HostCheckFailed(sentence)
    job.progress(2, 2, f"All {len(found)} points are in order")


def _facts(host: Host, workstation: Workstation) -> HostFacts | RemoteFailure:
    try:
        return ask(host, HostFacts, timeout=SECONDS, ldconsole=workstation.ldconsole_path)
    except _ENDS_ALL:
        raise
    except RemoteFailure as failure:
        return failure


def _listing(host: Host, workstation: Workstation, job: Job) -> Listing | RemoteFailure:
    began_at = timezone.now()
    try:
        output = host.run(workstation.ldconsole_path, ["list2"], timeout=LIST_SECONDS)
        text = decoded(output.stdout, workstation.code_page)
        instances = list2.parse(text.text)
    except RemoteFailure as failure:
        return failure
    inventory.record(workstation, instances, None, operation_id=job.operation.pk, began_at=began_at)
    return {"emulators": len(instances), "encoding": text.encoding, "damaged": text.damaged}


def _tell(job: Job, found: list[Finding]) -> None:
    words = {True: ("in order", "info"), False: ("NOT IN ORDER", "error"), None: ("not known", "warning")}
    for finding in found:
        word, level = words[finding["ok"]]
        job.log(f"{finding['label']}: {word}. {finding['detail']} {finding['fix']}".strip(), level)
