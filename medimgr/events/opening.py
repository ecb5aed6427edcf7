"""What a stream begins with: on whose behalf it runs, and what its client has missed."""

from dataclasses import dataclass

from django.db.models import Model

from medimgr.accounts.bearer import Holder
from medimgr.events.sight import Look
from medimgr.events.sources import Source
from medimgr.lib.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class Listener:
    """On whose behalf a stream runs, and what must stay true for it to go on."""

    user_id: int
    session_key: str
    """Empty for who came with a token."""
    auth_hash: str
    """Changes with the password."""
    rights: frozenset[tuple[str, type[Model]]]
    """The verbs and models that ``may()`` has to allow."""
    scope: Scope = EVERYTHING
    """What he is limited to, by his account and his token."""
    holder: Holder | None = None
    """Who came with a token."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream begins with, read by the admission."""

    connection: int
    """The primary key of its row."""
    topics: frozenset[str]
    """What it may and wants to follow."""
    position: int
    """Everything up to this event is in ``replay``, or older than what the client wants."""
    since: int
    """The event after which the client hears everything."""
    replay: tuple[tuple[int, bytes], ...]
    reset: bool
    listener: Listener
    sources: tuple[Source, ...] = ()
    user_name: str = ""
    """Whose it is, for the log."""
    look: Look | None = None
    """Which services there are for whom, read for a stream that is limited."""
