"""What the audit says of operations: who asked for what, who cancelled it. Kept longer than they are.

What medimgr asks for by itself is not in it: that is nobody's doing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from medimgr.audit.places import numbers
from medimgr.audit.recording import entry, record_all
from operations.models import Operation
from operations.requester import Requester

CANCEL = "operation.cancel"


def record_asked(operations: Iterable[Operation], requester: Requester) -> None:
    """Write down that ``requester`` has asked for stored operations, in their transaction. One insert."""
    _record([(row, row.kind, "asked", _why(row)) for row in operations], requester)


def record_cancelled(operations: Iterable[Operation], requester: Requester) -> None:
    """Write down that ``requester`` has ended operations before they began. One insert."""
    _record([(row, CANCEL, "done", f"{row.kind}, before it began.") for row in operations], requester)


def record_asked_to_stop(operation: Operation, requester: Requester) -> None:
    """Write down that ``requester`` wants a running operation to stop. One insert."""
    _record([(operation, CANCEL, "asked", f"{operation.kind}, while it was running.")], requester)


def record_act(
    requester: Requester,
    action: str,
    *,
    target: str,
    name: str = "",
    detail: str = "",
    outcome: str = "done",
) -> None:
    """Write down what ``requester`` did and what is no operation, in its transaction. One insert."""
    record_all(
        [
            entry(
                action,
                who=requester.name,
                source=requester.source,
                user=requester.user,
                address=requester.address,
                target=target,
                target_name=name,
                outcome=outcome,
                detail=detail,
            )
        ]
    )


def record_import(requester: Requester, what: str, changes: Mapping[str, str]) -> None:
    """Write down an import of ``services`` or ``workstations``: what came of each, by name. One insert."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, came in changes.items():
        names[came].append(name)
    told = [f"{came}: {', '.join(names[came])}." for came in ("created", "changed") if names[came]]
    record_act(requester, f"{what}.import", target=what, detail=" ".join(told) or "Nothing differed.")


def places_of_operations(keys: Collection[str]) -> dict[str, str]:
    """Return the pages of those operations that exist still. One query."""
    found = Operation.objects.filter(pk__in=numbers(keys)).only("pk")
    return {str(row.pk): row.get_absolute_url() for row in found}


def _why(row: Operation) -> str:
    again = f"Again, after operation {row.retry_of_id}." if row.retry_of_id else ""
    together = f"In batch {row.batch}." if row.batch else ""
    return " ".join(part for part in (row.reason, again, together) if part)


def _record(acts: list[tuple[Operation, str, str, str]], requester: Requester) -> None:
    if requester.source == "system" or not acts:
        return
    record_all(
        entry(
            action,
            who=requester.name,
            source=requester.source,
            user=requester.user,
            address=requester.address,
            target=row.target,
            target_name=row.target_name,
            outcome=outcome,
            detail=detail,
            operation_id=row.pk,
        )
        for row, action, outcome, detail in acts
    )
