"""The checksum of a gzip stream, put together from those of its parts."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from medimgr.events.gzip_checksum import advanced


@given(st.binary(), st.binary())
def test_the_checksum_of_two_parts_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    together = advanced(zlib.crc32(first), len(second)) ^ zlib.crc32(second)
    assert together == zlib.crc32(first + second)


@given(st.binary(), st.integers(0, 3_000_000))
def test_it_holds_for_long_parts_too(first: bytes, size: int) -> None:
    second = b"\x5a" * size
    assert advanced(zlib.crc32(first), size) ^ zlib.crc32(second) == zlib.crc32(second, zlib.crc32(first))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**40))
def test_two_steps_are_one(checksum: int, one: int, other: int) -> None:
    """Beyond four gigabytes as well, where the list of powers goes round."""
    assert advanced(advanced(checksum, one), other) == advanced(checksum, one + other)
