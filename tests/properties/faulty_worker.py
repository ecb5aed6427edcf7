"""A Daphne with a fault planted into it, for tests of the tests.

python -m tests.properties.faulty_worker FAULT [arguments of daphne]
"""

import itertools
import sys
from typing import Any

import django

SELDOM = 10
"""A fault shows once in so many times."""


def skip_an_event() -> None:
    """Read on from one event too far, now and then."""
    from medimgr.events.models import EventQuerySet

    after, count = EventQuerySet.after, itertools.count(1)

    def skipping(self: Any, event_id: int) -> Any:
        return after(self, event_id + (next(count) % SELDOM == 0))

    EventQuerySet.after = skipping  # type: ignore[method-assign]


def replay_one_too_many() -> None:
    """Replay the event that the client named as its last."""
    from medimgr.events.replay import Replays

    read = Replays.read

    def repeating(self: Replays, topics: frozenset[str], since: int | None, *scope: Any) -> Any:
        return read(self, topics, None if since is None else since - 1, *scope)

    Replays.read = repeating  # type: ignore[assignment,method-assign]


def forget_what_comes_while_the_replay_is_read() -> None:
    """Say that a replay reaches further than it does."""
    import dataclasses

    from medimgr.events.replay import Replays

    read = Replays.read

    def reaching_too_far(self: Replays, topics: frozenset[str], since: int | None, *scope: Any) -> Any:
        found = read(self, topics, since, *scope)
        return dataclasses.replace(found, position=found.position + 1)

    Replays.read = reaching_too_far  # type: ignore[assignment,method-assign]


def ask_nobody_at_the_door() -> None:
    """Open streams without asking whether the topics may be seen."""
    from medimgr.events import admission

    admission.permitted_users = lambda ids, *_: frozenset(ids)  # type: ignore[attr-defined]


def trust_for_ever() -> None:
    """Never ask again whether the listeners may still listen."""
    from medimgr.events import housekeeping

    housekeeping.no_longer_entitled = lambda _: set()  # type: ignore[assignment,attr-defined]


def poll_without_asking() -> None:
    """Answer polls without asking whether the topics may be seen."""
    from medimgr.events import polling

    polling.demand = lambda *_: None  # type: ignore[attr-defined]


def tell_the_limited_everything() -> None:
    """Send an event to all who follow its topic."""
    from medimgr.events.tail import Row

    Row.told = lambda row, _scope: row.chunk  # type: ignore[assignment,method-assign]


def poll_without_limits() -> None:
    """Answer polls without asking what the account is limited to."""
    from medimgr.events import polling
    from medimgr.lib.scope import EVERYTHING

    polling.scope_of = lambda _user: EVERYTHING  # type: ignore[assignment,attr-defined]


FAULTS = {
    fault.__name__: fault
    for fault in (
        skip_an_event,
        replay_one_too_many,
        forget_what_comes_while_the_replay_is_read,
        ask_nobody_at_the_door,
        trust_for_ever,
        poll_without_asking,
        tell_the_limited_everything,
        poll_without_limits,
    )
}


def main(fault: str, *arguments: str) -> None:
    django.setup()
    FAULTS[fault]()
    from daphne.cli import CommandLineInterface

    CommandLineInterface().run(list(arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
