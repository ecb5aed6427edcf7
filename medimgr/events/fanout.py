"""Who gets what: the streams of one process by cohort, and those that are served one by one."""

from collections.abc import Callable, Iterable, Sequence

from medimgr.events import frames
from medimgr.events.cohort import Cohort, Tally
from medimgr.events.sight import Sight
from medimgr.events.subscription import Subscription
from medimgr.events.tail import Measured, Row
from medimgr.events.topics import TICK_TOPIC
from medimgr.lib.scope import EVERYTHING, Scope


class Fanout:
    """All streams of one event loop. Runs in its thread."""

    def __init__(self, framed: Callable[[bytes], bytes], tally: Tally, sight: Sight | None = None) -> None:
        """Begin without streams. ``framed``: see :class:`Cohort`.

        ``sight`` knows who may know of which service.
        """
        self._sight = sight or Sight()
        self._framed = framed
        self._tally = tally
        self._apart: dict[Subscription, None] = {}
        """Not in a cohort: being opened, slow, behind another server, or with a source of its own."""
        self._cohorts: dict[tuple[frozenset[str], str, Scope], Cohort] = {}
        self._position = 0

    def add(self, stream: Subscription) -> None:
        """Take a stream in, whatever its stage."""
        self._apart[stream] = None
        stream.on_leave = self._set_apart

    def discard(self, stream: Subscription) -> None:
        """Forget a stream that has ended. Idempotent."""
        self._apart.pop(stream, None)

    def move_on(self, position: int) -> None:
        """Note that the log has been read up to ``position``, wherever that is."""
        self._position = position

    def send_events(self, rows: Sequence[Row]) -> None:
        """Send rows of the log, in their order, each to the streams that follow its topic."""
        apart, cohorts = self._sorted()
        for cohort in cohorts:
            cohort.position = rows[-1].id
            topics, scope = cohort.topics, cohort.scope
            told = [row.told(scope) for row in rows if row.topic in topics]
            messages = [chunk for chunk in told if chunk is not None]
            if messages:
                cohort.send(messages, events=len(messages))
        for stream in apart:
            for row in rows:
                if row.topic in stream.topics:
                    stream.offer_event(row.id, row.topic, row.chunk, row.told)
        self._position = rows[-1].id

    def send_tick(self, measured: Measured, changed: dict[str, list[float]]) -> int:
        """Send what has changed of a node's measurements; return to how many streams.

        Who is limited gets what he may know of it, which is made once for all with the same scope.
        """
        chunk = frames.tick(measured.node, measured.at, changed)
        parts: dict[Scope, tuple[dict[str, list[float]], bytes]] = {EVERYTHING: (changed, chunk)}
        apart, cohorts = self._sorted()

        def part_for(scope: Scope) -> tuple[dict[str, list[float]], bytes]:
            if scope not in parts:
                part = self._sight.part_of(scope, changed)
                parts[scope] = (part, frames.tick(measured.node, measured.at, part))
            return parts[scope]

        streams = 0
        for cohort in (cohort for cohort in cohorts if TICK_TOPIC in cohort.topics):
            mine, its_chunk = part_for(cohort.scope)
            if mine:
                streams += len(cohort)
                cohort.send([its_chunk])
        for stream in (stream for stream in apart if TICK_TOPIC in stream.topics):
            mine, its_chunk = part_for(_shared(stream.scope))
            if mine:
                streams += 1
                stream.offer_tick(measured.node, measured.at, mine, its_chunk)
        return streams

    def send_heartbeat(self, chunk: bytes) -> None:
        """Send a heartbeat to every open stream."""
        apart, cohorts = self._sorted()
        for cohort in cohorts:
            cohort.send([chunk])
        for stream in apart:
            stream.offer_heartbeat(chunk)

    def is_catching_up(self) -> bool:
        """Return whether somebody who reads needs a moment for what it was sent."""
        return any(stream.is_catching_up for stream in self._apart)

    def _sorted(self) -> tuple[list[Subscription], Iterable[Cohort]]:
        """Return who is served one by one now, and the cohorts, having brought together who can be.

        Both are fixed before anything is sent: who leaves a cohort on the way has had the message.
        """
        for stream in list(self._apart):
            write = stream.write_shared(self._position)
            if write is None:
                continue
            scope = _shared(stream.scope)
            key = (stream.topics, stream.encoding.name, scope)
            cohort = self._cohorts.get(key)
            if cohort is None:
                cohort = self._cohorts[key] = Cohort(
                    stream.topics, stream.encoding, self._framed, self._tally, scope
                )
            cohort.position = self._position
            stream.join(cohort, write)
            del self._apart[stream]
        for key in [key for key, cohort in self._cohorts.items() if not cohort]:
            del self._cohorts[key]
        return list(self._apart), list(self._cohorts.values())

    def _set_apart(self, stream: Subscription) -> None:
        self._apart[stream] = None


def _shared(scope: Scope) -> Scope:
    """Return ``scope``, of those from which nothing is hidden always the same."""
    return scope if scope.hides_something else EVERYTHING
