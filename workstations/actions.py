"""Asks for something to be done to workstations and emulators: the one way in for every door."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, get_args

from medimgr.lib.access import Person
from operations.batch_requests import Asked, Refusal, Wanted, request_batch
from operations.exceptions import BadParameters
from operations.intake import request_operation
from operations.models import Operation
from operations.requester import Requester
from workstations import handlers
from workstations.exceptions import UnknownEmulator, UnknownWorkstation
from workstations.models import Emulator, Workstation
from workstations.tags import tagged

WorkstationVerb = Literal["test-connection", "check-host", "read-system", "scan", "create-emulator"]
EmulatorVerb = Literal["start", "stop", "restart", "rename", "clone", "modify", "delete", "install-app"]
WORKSTATION_VERBS: tuple[WorkstationVerb, ...] = get_args(WorkstationVerb)
EMULATOR_VERBS: tuple[EmulatorVerb, ...] = get_args(EmulatorVerb)
M = TypeVar("M", Workstation, Emulator)
ENDS_WORK: frozenset[str] = frozenset({"stop", "restart", "delete"})
"""Verbs that end what runs on an emulator: pages ask before them."""


def kind_of(target: Workstation | Emulator | type[Workstation | Emulator], verb: str) -> str:
    """Return the kind of operation that ``verb`` is on such a target: ``emulator.start``. Pure."""
    model = target if isinstance(target, type) else type(target)
    return f"{model._meta.model_name}.{verb}"


def request_action(
    target: Workstation | Emulator,
    verb: WorkstationVerb | EmulatorVerb,
    requester: Requester,
    *,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    idempotency_key: str = "",
    priority: int = 0,
) -> Operation:
    """Queue ``verb`` on one workstation or emulator and return the operation; nothing is done here.

    ``parameters`` are those of :mod:`workstations.emulator_kinds.parameters`. Raises what
    ``request_operation`` raises: UnknownKind for a verb of the other type, NotPermitted, BadParameters,
    TargetBusy, KeyReused. Queries and writes the database; one query less where an emulator's
    ``workstation`` was selected along.
    """
    return request_operation(
        kind_of(target, verb),
        target,
        str(target.pk),
        queue=handlers.QUEUE,
        requester=requester,
        parameters=parameters,
        reason=reason,
        idempotency_key=idempotency_key,
        priority=priority,
    )


@dataclass(frozen=True, slots=True)
class Chosen(Generic[M]):
    """What a selection means: the rows that there are, and the ids that are none's."""

    rows: list[M] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


def chosen_workstations(
    *, ids: Collection[int | str] | None = None, tag: str | None = None, user: Person | None = None
) -> Chosen[Workstation]:
    """Return the workstations with these ids, or those with ``tag``, that ``user`` may know of.

    None is a command, which knows all. At most two queries, and those for the user's scope.

    Raises BadParameters unless just one of the two is given, and where nothing has the tag.
    """
    _one_given(ids=ids, tag=tag)
    if ids is not None:
        rows = Workstation.objects.visible_to(user).in_bulk(_numbers(ids))
        return Chosen([*rows.values()], _strangers(ids, rows))
    return Chosen(list(Workstation.objects.filter(pk__in=_tagged(str(tag), user))))


def chosen_emulators(
    *,
    ids: Collection[int | str] | None = None,
    tag: str | None = None,
    workstation: int | str | None = None,
    user: Person | None = None,
) -> Chosen[Emulator]:
    """Return the emulators with these ids, or all on a workstation, or on all workstations with ``tag``.

    As they were last read, and as far as ``user`` may know of them; None is a command, which knows all. At
    most two queries, and those for the user's scope. Raises BadParameters unless just one is given, or
    where nothing has the tag; UnknownWorkstation.
    """
    _one_given(ids=ids, tag=tag, workstation=workstation)
    rows = Emulator.objects.visible_to(user).select_related("workstation")
    if ids is not None:
        found = rows.in_bulk(_numbers(ids))
        return Chosen([*found.values()], _strangers(ids, found))
    if workstation is not None:
        machine = Workstation.objects.visible_to(user).filter(pk__in=_numbers([workstation])).first()
        if machine is None:
            raise UnknownWorkstation(f"There is no workstation {workstation}.")
        return Chosen(list(rows.filter(workstation=machine)))
    return Chosen(list(rows.filter(workstation__in=_tagged(str(tag), user))))


def request_actions(
    chosen: Chosen[Workstation] | Chosen[Emulator],
    verb: WorkstationVerb | EmulatorVerb,
    requester: Requester,
    *,
    parameters: Mapping[str, Any] | None = None,
    reason: str = "",
    idempotency_key: str = "",
    priority: int = 0,
) -> Asked:
    """Queue ``verb`` on each of ``chosen`` as one batch, each on its own merits; return batch and operations.

    Strangers count as refused. Repeating it with the same ``idempotency_key`` gives the same operations
    again. Raises UnknownKind, NotPermitted, BadParameters, KeyReused for the request as a whole. Queries
    and writes the database: a few times for every fifty.
    """
    model: type[Workstation | Emulator] = Emulator if verb in EMULATOR_VERBS else Workstation
    unknown = UnknownEmulator if model is Emulator else UnknownWorkstation
    name = str(model._meta.model_name)
    rows: Sequence[Workstation | Emulator] = chosen.rows
    return request_batch(
        kind_of(model, verb),
        [Wanted(str(row.pk), row) for row in rows],
        requester=requester,
        parameters=parameters,
        reason=reason,
        idempotency_key=idempotency_key,
        priority=priority,
        refused=[
            Refusal(f"{name}:{one}", unknown.code, f"There is no {name} {one}.") for one in chosen.strangers
        ],
    )


def _one_given(**given: Any) -> None:
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        wanted = ", ".join(given)
        fault = f"Give just one of {wanted}" + (f", not {' and '.join(names)}." if names else ".")
        raise BadParameters(
            f"What to act on is not clear. {fault}", errors={name: [fault] for name in names or given}
        )


def _numbers(ids: Iterable[int | str]) -> list[int]:
    texts = {str(one) for one in ids}
    # Not isdigit: superscripts are digits too. A number beyond the column's is nobody's id.
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < 19]


def _strangers(ids: Iterable[int | str], known: Mapping[int, Any]) -> list[str]:
    return [text for text in dict.fromkeys(str(one)[:60] for one in ids) if text not in map(str, known)]


def _tagged(tag: str, user: Person | None) -> list[int]:
    found = tagged(tag, user)
    if not found:
        fault = f"No workstation has the tag {tag[:60]!r}."
        raise BadParameters(fault, errors={"tag": [fault]})
    return found
