"""The kinds of operations. Apps above declare theirs in ``AppConfig.ready()``; nothing here imports them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import Model
from pydantic import BaseModel

from operations.exceptions import UnknownKind

if TYPE_CHECKING:
    from operations.executor import Job

WORKER_QUEUE = "worker"


def node_queue(node: str) -> str:
    """Return the queue that the supervisor of ``node`` serves."""
    return f"node:{node}"


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
    supersedes: frozenset[str] = frozenset()
    """Kinds whose waiting or running operation on the same target this one replaces."""
    handler: "Callable[[Job], None] | None" = field(default=None, compare=False)
    """What the operations worker calls. None: a supervisor carries it out."""

    @property
    def target_type(self) -> str:
        """Return the type of the target: ``service``."""
        return self.name.partition(".")[0]


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
