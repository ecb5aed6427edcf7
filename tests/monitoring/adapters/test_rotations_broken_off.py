"""A rotation that is broken off, at whatever step, neither loses nor doubles a byte. Scenario 23."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitoring.supervisor import file_space, log_rotation
from monitoring.supervisor.log_archives import part_path
from monitoring.supervisor.log_ledger import ledger_path
from monitoring.supervisor.log_rotation import rotate, settle
from monitoring.supervisor.logs import tail
from tests.monitoring.adapters.rotated_logs import (
    BLOCK,
    append,
    follow,
    kill,
    lines,
    numbers,
    pack_all,
    start_rotating,
    start_writer,
    unpacked,
)


@pytest.fixture
def log(disk_or_memory: Path) -> Path:
    return disk_or_memory / "it.log"


def test_a_rotation_that_is_killed_at_any_moment_neither_loses_nor_doubles_a_line(log: Path) -> None:
    """Scenario 23: kill -9 of whoever rotates and compresses, in a loop, at random moments."""
    total, kills, chance = 60_000, 0, random.Random()
    writer = start_writer(log, total, megabytes_per_second=1)
    inode, parts, offset = log.stat().st_ino, [], 0
    while writer.poll() is None:
        keeper = start_rotating(log, 4 * BLOCK)
        until = time.monotonic() + chance.uniform(0, 0.1)
        try:
            while time.monotonic() < until:
                text, offset = follow(log, offset, inode)
                parts.append(text)
        finally:
            kill(keeper)
        kills += 1
        text, offset = follow(log, offset, inode)
        parts.append(text)
    assert writer.wait() == 0
    kill(writer)
    settle(log)
    parts.append(follow(log, offset, inode)[0])
    assert kills > 5
    assert numbers("".join(parts)) == list(range(total))
    assert numbers(unpacked(log)) == list(range(total))
    assert not part_path(log).exists()


class _Killed(Exception):
    """What a kill is, to those who cannot go on after it."""


def _steps() -> list[str]:
    return ["sendfile", "replace", "write_ledger", "punch", "collapse", "unlink", "write_out"]


@pytest.mark.parametrize("step", _steps())
@pytest.mark.parametrize("after", [False, True])
def test_whoever_comes_next_finishes_what_was_broken_off_at_any_step(
    log: Path, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Breaks off before and after each deed of each rotation, and takes over; none of them may matter."""
    total, inode, parts, offset = 0, 0, [], 0
    for occasion in range(1, 8):
        append(log, lines(total, total + 3000))
        total += 3000
        inode = log.stat().st_ino
        with monkeypatch.context() as patch:
            left = occasion

            def deed(real: Callable[..., object]) -> Callable[..., object]:
                def do(*args: object) -> object:
                    nonlocal left
                    left -= 1
                    if left == 0 and not after:
                        raise _Killed
                    result = real(*args)
                    if left == 0:
                        raise _Killed
                    return result

                return do

            place: object = {
                "sendfile": os,
                "replace": os,
                "unlink": Path,
                "write_ledger": log_rotation,
            }.get(step, file_space)
            patch.setattr(place, step, deed(getattr(place, step)))
            try:
                rotate(log, max_bytes=4 * BLOCK, keep=1000)
                pack_all(log)
            except _Killed:
                pass
        text, offset = follow(log, offset, inode)
        parts.append(text)
        settle(log)
        text, offset = follow(log, offset, inode)
        parts.append(text)
        assert numbers("".join(parts)) == list(range(total))
        assert numbers(unpacked(log)) == list(range(total))


def test_a_ledger_that_makes_no_sense_does_not_stop_anything(log: Path) -> None:
    append(log, lines(0, 10_000))
    rotate(log, max_bytes=100_000, keep=3)
    for junk in (b"", b"{", b"[]", b'{"turn":1}', b'{"archives":[1]}', os.urandom(100)):
        ledger_path(log).write_bytes(junk)
        assert "9999 " in tail(log, 1).text
        rotate(log, max_bytes=1_000_000, keep=3)
    append(log, lines(10_000, 30_000))
    assert rotate(log, max_bytes=100_000, keep=3)
    assert numbers(unpacked(log)) == list(range(30_000))
