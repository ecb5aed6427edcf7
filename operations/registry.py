"""The kinds of operations. Apps above declare theirs in ``AppConfig.ready()``; nothing here imports them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from pydantic import BaseModel

from operations.exceptions import UnknownKind
from operations.states import Status

if TYPE_CHECKING:
    from operations.job import Job

WORKER_QUEUE = "worker"


def node_queue(node: str) -> str:
    """Return the queue that the supervisor of ``node`` serves."""
    return f"node:{node}"


def _worker_queue(_target: Any) -> str:
    return WORKER_QUEUE


def _no_name(_target: Any) -> str:
    return ""


def _no_lane(_target: Any) -> tuple[str, int]:
    return "", 0


class NoParameters(BaseModel, extra="forbid"):
    """The schema of a kind that takes no parameters."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known about one kind of operation before it runs."""

    name: str
    """Dotted, as in ``service.restart``; the first part is the type of the target."""
    label: str
    """For people: ``Restart``."""
    model: type[Model]
    """The model of the target; with ``verb`` it names the permission."""
    verb: str
    parameters: type[BaseModel] = NoParameters
    deadline_seconds: float = 300.0
    """How long it may take from its begin; and how long it may wait for that, unless ``waiting_seconds``."""
    waiting_seconds: float = 0.0
    """How long it may wait for its turn: where many wait in one lane, longer than each of them takes."""
    supersedes: frozenset[str] = frozenset()
    """Kinds whose waiting operation on the same target this one replaces."""
    preempts: frozenset[str] = frozenset()
    """Kinds whose running operation on the same target this one replaces."""
    target_field: str = "key"
    """The field of ``model`` that ``target_key`` holds. Empty: the kind is about no row, but about all."""
    at_once: int = 0
    """How many operations of this kind may run at a time, all workers together; 0: any number."""
    lane: Callable[[Any], tuple[str, int]] = field(default=_no_lane, compare=False)
    """The lane of a target and how many operations may run in it at a time, of all kinds together.

    One for all operations that burden one machine, say; ``("", 0)``: no lane.
    """
    called: Callable[[Any], str] = field(default=_no_name, compare=False)
    """What people call a target whose key tells them nothing; empty: by its key."""
    repeatable: int = 0
    """So many times it is asked for again by itself where its worker was lost: only for what may be done
    twice without harm."""
    resumable: bool = False
    """A retry goes on from the last checkpoint of the operation that it repeats."""
    needs_reason: bool = False
    """Nobody may ask for it without saying why."""
    queue: Callable[[Any], str] = field(default=_worker_queue, compare=False)
    """The queue for a target; asked again at a retry, since a service may have moved to another node."""
    handler: "Callable[[Job], None] | None" = field(default=None, compare=False)
    """What the operations worker calls. None: a supervisor carries it out."""

    @property
    def longest_wait(self) -> float:
        """Return for how many seconds it may wait until it begins."""
        return self.waiting_seconds or self.deadline_seconds

    @property
    def target_type(self) -> str:
        """Return the type of the target: ``service``."""
        return self.name.partition(".")[0]

    def replaces(self, other: str, status: Status) -> bool:
        """Return whether a new operation of this kind ends an active one of kind ``other``.

        ``status`` is the active one's (PENDING or RUNNING). Pure.
        """
        return other in (self.supersedes if status == Status.PENDING else self.preempts)

    def find(self, target_key: str) -> Model | None:
        """Return the target that ``target_key`` names, None where it is gone. One query.

        Of a kind that is about no row, an instance that is in no database.
        """
        if not self.target_field:
            return self.model()
        return self.model._default_manager.filter(**{self.target_field: target_key}).first()


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Declare a kind; a second declaration of the same name replaces the first (tests do)."""
    _kinds[kind.name] = kind


def unregister(name: str) -> None:
    """Forget a kind. For tests."""
    _kinds.pop(name, None)


def get(name: str) -> Kind:
    """Return the kind called ``name``. Raises UnknownKind."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(
            f"There is no operation called {name!r}. Known: {', '.join(sorted(_kinds))}."
        ) from None


def all_kinds() -> dict[str, Kind]:
    """Return every kind by name."""
    return dict(_kinds)
