"""Declares workstations and changes their declaration: the one way in for admin, API, file and command.

Only what was changed is written: what polling and operations store meanwhile stays as it is.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from medimgr.lib.access import Person, demand, demand_labels, in_sight
from workstations.exceptions import BadWorkstation, UnknownWorkstation
from workstations.models import Change, Workstation
from workstations.passwords import check_password
from workstations.reachability import lock, mark_unknown, take_status
from workstations.states import Reachability

DECLARED = (
    "name",
    "host",
    "port",
    "tls",
    "ca_certificates",
    "auth",
    "username",
    "ldconsole_path",
    "code_page",
    "launch",
    "desktop_user",
    "boot_seconds",
    "concurrency",
    "tags",
    "polled",
)
"""What people say of a workstation, but for its password."""
_WHERE = frozenset({"host", "port"})
_HOW = frozenset({"tls", "ca_certificates", "auth", "username", "password_sealed"})


def declare(fields: Mapping[str, Any], password: str = "", by: Person | None = None) -> Workstation:
    """Store a new one. ``by``: who declares it, and has to reach it then; None: a command.

    Raises BadWorkstation naming every fault, BadPassword, NoKey, OutOfReach. Three queries.
    """
    workstation = Workstation(**fields)
    check_password(password)
    check(workstation, by)
    demand_labels(by, workstation.scope_labels(), "tags")
    workstation.set_password(password)
    _save(workstation, None, by)
    return workstation


def redeclare(
    workstation_id: int, fields: Mapping[str, Any], password: str | None = None, by: Person | None = None
) -> Workstation:
    """Change ``fields`` of a workstation and return it; ``password``: None keeps it, empty takes it away.

    Where it is looked for elsewhere from now on, what was known of it is forgotten, and the stored password
    is taken away unless there is a new one (:func:`leads_elsewhere`); where it is reached another way, it is
    asked at once. Raises UnknownWorkstation, BadWorkstation naming every fault,
    BadPassword, NoKey; OutOfReach where ``by`` (None: a command) does not reach it, or would not afterwards.
    Five queries at most, in one transaction.
    """
    if password is not None:
        check_password(password)
    with transaction.atomic():
        workstation = lock(workstation_id)
        if workstation is None or not in_sight(by, workstation):
            raise UnknownWorkstation(f"There is no workstation {workstation_id} any more.")
        if by is not None:
            demand(by, "change", workstation)
        apply(workstation, fields, password, by)
    return workstation


def apply(
    workstation: Workstation,
    fields: Mapping[str, Any],
    password: str | None = None,
    by: Person | None = None,
) -> set[str]:
    """Do what :func:`redeclare` does to a row of the caller's transaction; return what was written."""
    differing = {
        name: (before, value)
        for name, value in fields.items()
        if (before := getattr(workstation, name)) != value
    }
    changed = set(differing)
    for name in changed:
        setattr(workstation, name, fields[name])
    check(workstation, by)
    demand_labels(by, workstation.scope_labels(), "tags")
    if password is None and leads_elsewhere(differing):
        password = ""
    if password is not None and (password or workstation.has_password):
        workstation.set_password(password)
        changed.add("password_sealed")
    if changed:
        _save(workstation, changed, by)
    return changed


def leads_elsewhere(differing: Mapping[str, tuple[Any, Any]]) -> bool:
    """Return whether a change sends the stored password to another listener, or without TLS. Pure.

    Who may change a workstation need not know its password, and must not get it by having it sent to a
    machine of his own. ``differing``: by field, what it was and what it is to be.
    """
    host = differing.get("host", ("", ""))
    moves = host[0].lower() != host[1].lower() or "port" in differing
    return moves or differing.get("tls") == (True, False)


def check(workstation: Workstation, by: Person | None = None) -> None:
    """Raise BadWorkstation with all that is wrong with a declaration, as ``by`` may know it. One query."""
    errors = faults(workstation, by)
    if errors:
        told = " ".join(f"{name}: {' '.join(texts)}" for name, texts in sorted(errors.items()))
        raise BadWorkstation(f"The workstation can't be declared so. {told}", errors=errors)


def faults(workstation: Workstation, by: Person | None = None) -> dict[str, list[str]]:
    """Return what is wrong with a declaration, by field, as ``by`` may know it. One query."""
    return own_faults(workstation) | duplicates(workstation, by)


def own_faults(workstation: Workstation) -> dict[str, list[str]]:
    """Return what is wrong with a declaration whatever others there are, by field. No query."""
    try:
        workstation.clean_fields()
    except ValidationError as error:
        return {
            ("workstation" if name == NON_FIELD_ERRORS else name): list(dict.fromkeys(texts))
            for name, texts in error.message_dict.items()
        }
    return {}


def duplicates(workstation: Workstation, by: Person | None = None) -> dict[str, list[str]]:
    """Return what this declaration would have in common with another one's, by field. One query.

    A name or a listener that is taken can't be had, whoever asks; which workstation has the listener is told
    to those alone who may look at it. ``by`` None, a command, may.
    """
    found: dict[str, list[str]] = {}
    listener = Q(host__iexact=workstation.host, port=workstation.port)
    # In one query: between two, somebody may declare the same, and half of it would be told.
    others = Workstation.objects.exclude(pk=workstation.pk).filter(Q(name=workstation.name) | listener)
    for other in others.only("name", "host", "port", "tags"):
        if other.name == workstation.name:
            found["name"] = [f"There is a workstation called {other.name!r} already."]
        if (other.host.lower(), other.port) == (workstation.host.lower(), workstation.port):
            name = other.name if in_sight(by, other) else "another workstation"
            found["host"] = [taken(workstation, name)]
    return found


def taken(workstation: Workstation, other: str) -> str:
    """Return in words that ``other`` has the listener of ``workstation``. Pure."""
    return f"{workstation.host}, port {workstation.port}, is {other} already. Each is declared once."


def _save(workstation: Workstation, changed: set[str] | None, by: Person | None) -> None:
    written: Iterable[str] | None = None
    with transaction.atomic():
        if changed is not None:
            written = changed | _forget(workstation, changed)
        try:
            with transaction.atomic():
                workstation.save(update_fields=written) if written else workstation.save(force_insert=True)
        except IntegrityError:  # somebody declared the same at the same moment
            errors = duplicates(workstation, by)
            raise BadWorkstation("Somebody has just declared the same.", errors=errors) from None
        if changed is not None and changed & _WHERE:
            mark_unknown(workstation)


def _forget(workstation: Workstation, changed: set[str]) -> set[str]:
    """Forget what was found out by another way than from now on; return what that changes besides."""
    forgotten: dict[str, Any] = {}
    also: set[str] = set()
    if changed & (_WHERE | _HOW):
        forgotten |= {"failures": 0, "next_probe_at": None}
    if changed & _WHERE:
        _, changes = take_status(workstation, Reachability.UNKNOWN, "", "", None)
        Change.objects.bulk_create(changes)
        forgotten |= {"system": None, "host_check": None}
        also = {"status", "status_since", "last_error", "error_code"}
    for name, value in forgotten.items():
        setattr(workstation, name, value)
    return also | set(forgotten)
