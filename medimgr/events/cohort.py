"""Streams that get the very same bytes: a message is encoded, framed and counted once for all of them.

Nearly every stream is in a cohort nearly always, and then costs one ``send`` on its socket for each batch of
messages. It leaves as soon as it needs something of its own, or its socket does not take all.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from medimgr.events.encoding import Encoding
from medimgr.lib.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from medimgr.events.subscription import Subscription

Write = Callable[[bytes], int]
"""Writes to a socket; returns how much it took. Raises BlockingIOError for nothing, OSError if it is dead."""


class Count(NamedTuple):
    """What a stream was sent."""

    events: int = 0
    encoded: int = 0
    """Bytes as they went out."""
    plain: int = 0
    """Bytes of the messages themselves."""
    checksum: int = 0
    """CRC-32 of the messages, one after the other; only a cohort keeps it."""

    def plus(self, more: "Count", times: int = 1) -> "Count":
        """Return this and so many times ``more``; of the checksum nothing can be told."""
        return Count(
            self.events + times * more.events,
            self.encoded + times * more.encoded,
            self.plain + times * more.plain,
        )

    def since(self, before: "Count") -> "Count":
        """Return what has been added since ``before``; of the checksum nothing can be told."""
        return Count(self.events - before.events, self.encoded - before.encoded, self.plain - before.plain)


NOTHING = Count()


class Tally:
    """What all streams of one event loop were sent, those that have ended included."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.total = NOTHING
        """Only grows; replaced as a whole, so that any thread may read it."""

    def add(self, sent: Count, streams: int = 1) -> None:
        """Add what each of so many streams was sent."""
        self.total = self.total.plus(sent, streams)


class Cohort:
    """Streams of the same topics, scope and encoding, whose sockets have taken all that they were sent."""

    def __init__(
        self,
        topics: frozenset[str],
        encoding: Encoding,
        framed: Callable[[bytes], bytes],
        tally: Tally,
        scope: Scope = EVERYTHING,
    ) -> None:
        """Begin empty. ``framed`` makes a piece of a response's body into what goes over the socket."""
        self.topics = topics
        self.scope = scope
        self.count = NOTHING
        self.position = 0
        """The last event of any topic that members have been sent, or had no use for."""
        self._encoding = encoding
        self._framed = framed
        self._tally = tally
        self._members: dict[Subscription, Write] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> "Iterator[Subscription]":
        return iter(list(self._members))

    def add(self, stream: "Subscription", write: Write) -> None:
        """Take a stream in."""
        self._members[stream] = write

    def discard(self, stream: "Subscription") -> None:
        """Let a stream go. Idempotent."""
        self._members.pop(stream, None)

    def send(self, messages: Sequence[bytes], *, events: int = 0) -> None:
        """Send ``messages``, of which ``events`` are events, to every member."""
        encoded = b"".join(map(self._encoding.shared, messages))
        plain = b"".join(messages)
        sent = Count(events, len(encoded), len(plain))
        self.count = self.count.plus(sent)._replace(checksum=zlib.crc32(plain, self.count.checksum))
        self._tally.add(sent, len(self._members))
        wire = self._framed(encoded)
        size = len(wire)
        for stream, write in list(self._members.items()):
            try:
                taken = write(wire)
            except BlockingIOError:
                taken = 0
            except OSError as error:
                stream.break_off(error)
                continue
            if taken != size:
                stream.fall_behind(wire[taken:])
