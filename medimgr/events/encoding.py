"""Compresses the messages of streams, each once for all streams that get it.

A gzip stream is a header, blocks, and a trailer. A message is made into blocks by a compressor of its own
that ends on a whole byte, so the same bytes fit into every stream at any place, and no stream needs a
compressor: eight bytes are kept for it. No message is compressed together with another one, so that nobody
can learn a secret in one from the size of the other.
Sources: RFC 1952 (gzip), RFC 1951, section 3.2.4 (stored blocks).
"""

import functools
import re
import struct
import zlib
from typing import Protocol

from medimgr.events.gzip_checksum import advanced

WORTH_BYTES = 1024
"""What is smaller is stored as it is: that costs five bytes and no time."""
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_LARGEST_STORED = 0xFFFF
_SHARED_MESSAGES = 64
_WEIGHT = re.compile(r"q=(\d(?:\.\d{0,3})?)\Z")


class Encoding(Protocol):
    """How the messages of one stream become the bytes of its response."""

    name: str
    """As in ``Content-Encoding``."""

    def encode(self, message: bytes) -> bytes:
        """Return the bytes for a message, which a client can read without waiting for more."""

    def shared(self, message: bytes) -> bytes:
        """Return the bytes for a message that are the same at any place of any stream but the first."""

    def passed(self, before: int, after: int, size: int) -> None:
        """Take note of shared messages that have gone out: ``size`` bytes of them before encoding.

        ``before`` and ``after`` are the checksums of all that was ever shared, up to them and with them.
        """

    def end(self) -> bytes:
        """Return the bytes that make the response a whole one."""


class Identity:
    """Messages as they are."""

    __slots__ = ()
    name = "identity"

    def encode(self, message: bytes) -> bytes:
        """See :class:`Encoding`."""
        return message

    shared = encode

    def passed(self, before: int, after: int, size: int) -> None:
        """See :class:`Encoding`."""

    def end(self) -> bytes:
        """See :class:`Encoding`."""
        return b""


class Gzip:
    """One gzip stream, put together from blocks that were made for all."""

    __slots__ = ("_checksum", "_size")
    name = "gzip"

    def __init__(self) -> None:
        """Begin: the first message brings the header along."""
        self._checksum = 0
        self._size: int | None = None

    def encode(self, message: bytes) -> bytes:
        """See :class:`Encoding`."""
        lead = _HEADER if self._size is None else b""
        self._checksum = zlib.crc32(message, self._checksum)
        self._size = ((self._size or 0) + len(message)) & 0xFFFFFFFF
        return lead + blocks(message)

    def shared(self, message: bytes) -> bytes:
        """See :class:`Encoding`."""
        return blocks(message)

    def passed(self, before: int, after: int, size: int) -> None:
        """See :class:`Encoding`."""
        # What was shared is ``after`` less what ``before`` has become in it; both have moved on as far.
        self._checksum = advanced(self._checksum ^ before, size) ^ after
        self._size = ((self._size or 0) + size) & 0xFFFFFFFF

    def end(self) -> bytes:
        """See :class:`Encoding`."""
        lead = _HEADER if self._size is None else b""
        return lead + _LAST_BLOCK + struct.pack("<II", self._checksum, self._size or 0)


def blocks(message: bytes) -> bytes:
    """Return ``message`` as deflate blocks that begin and end on a whole byte."""
    if len(message) < WORTH_BYTES:
        return _stored(message)
    return _deflated(message)


def _stored(message: bytes) -> bytes:
    parts = [message[at : at + _LARGEST_STORED] for at in range(0, len(message), _LARGEST_STORED)]
    return b"".join(struct.pack("<BHH", 0, len(part), len(part) ^ 0xFFFF) + part for part in parts)


@functools.lru_cache(_SHARED_MESSAGES)
def _deflated(message: bytes) -> bytes:
    # Streams get the very same object, whose hash is worked out once.
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = compressor.compress(message) + compressor.flush(zlib.Z_FULL_FLUSH)
    stored = _stored(message)
    return min(deflated, stored, key=len)


def chosen(accept_encoding: str) -> Encoding:
    """Return the encoding for a client that sent this ``Accept-Encoding``, empty for none.

    gzip where it is named, or ``*`` is, with a weight above nothing (RFC 9110, section 12.5.3). Garbage is no
    wish for gzip.
    """
    weights: dict[str, float] = {}
    for wish in accept_encoding.split(","):
        name, _, parameters = wish.strip().lower().partition(";")
        weight = _WEIGHT.match(parameters.strip()) if parameters.strip() else None
        if parameters.strip() and weight is None:
            continue
        weights[name.strip()] = float(weight[1]) if weight else 1.0
    wanted = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return Gzip() if wanted > 0 else Identity()
