"""A log is rotated while its service writes on: nothing lost, nothing twice, gzip reads the archives."""

import os
import random
import subprocess
import threading
from pathlib import Path

import pytest

from monitoring.supervisor.log_archives import archive_files
from monitoring.supervisor.log_bytes import log_end, read_log
from monitoring.supervisor.log_ledger import read_ledger
from monitoring.supervisor.log_packing import pack_one
from monitoring.supervisor.log_rotation import rotate
from monitoring.supervisor.logs import LogReader, open_log, tail
from tests.monitoring.adapters.rotated_logs import (
    BLOCK,
    after_half_a_line,
    append,
    follow,
    lines,
    names,
    numbers,
    pack_all,
    start_writer,
    unpacked,
)


@pytest.fixture
def log(disk_or_memory: Path) -> Path:
    return disk_or_memory / "it.log"


# --- what a rotation does ----------------------------------------------------------------------------


def test_a_small_log_is_left_alone(log: Path) -> None:
    assert rotate(log, max_bytes=100_000, keep=3) is None
    append(log, b"short\n")
    assert rotate(log, max_bytes=100_000, keep=3) is None
    assert os.listdir(log.parent) == ["it.log"]


def test_the_beginning_moves_into_an_archive_and_the_end_stays(log: Path) -> None:
    append(log, lines(0, 100_000))
    size, taken = log.stat().st_size, log.stat().st_blocks
    done = rotate(log, max_bytes=1_000_000, keep=3)
    assert done is not None
    assert done.archived >= size / 2
    assert names(log) == ["it.log.1"]
    assert log.stat().st_blocks <= taken / 2  # the space is given back
    assert numbers(unpacked(log)) == list(range(100_000))
    assert log.with_name("it.log.1").read_bytes().endswith(b"\n")  # no line is cut in two
    assert tail(log, 2000).text == lines(98_000, 100_000).decode()


def test_the_service_writes_on_through_the_descriptor_that_it_has(log: Path) -> None:
    fd = open_log(log)
    os.write(fd, lines(0, 10_000))
    before = os.fstat(fd).st_ino
    rotate(log, max_bytes=100_000, keep=3)
    os.write(fd, lines(10_000, 10_500))
    os.close(fd)
    assert log.stat().st_ino == before
    assert numbers(unpacked(log)) == list(range(10_500))


def test_so_many_archives_are_kept_the_newest_first(log: Path) -> None:
    for begin in range(0, 60_000, 10_000):
        append(log, lines(begin, begin + 10_000))
        rotate(log, max_bytes=100_000, keep=3)
    assert names(log) == ["it.log.1", "it.log.2", "it.log.3"]
    kept = numbers(after_half_a_line(unpacked(log)))
    assert kept == list(range(kept[0], 60_000))
    assert kept[0] > 10_000
    append(log, lines(60_000, 70_000))
    rotate(log, max_bytes=100_000, keep=2)
    assert names(log) == ["it.log.1", "it.log.2"]
    assert len(read_ledger(log).archives) == 2


def test_keeping_none_drops_the_beginning(log: Path) -> None:
    append(log, lines(0, 10_000))
    rotate(log, max_bytes=100_000, keep=3)
    append(log, lines(10_000, 20_000))
    rotate(log, max_bytes=100_000, keep=0)
    assert names(log) == []
    kept = numbers(after_half_a_line(unpacked(log)))
    assert kept == list(range(kept[0], 20_000))
    assert kept[0] > 10_000


def test_an_archive_is_compressed_in_place_and_read_by_gzip(log: Path) -> None:
    for begin in range(0, 60_000, 20_000):
        append(log, lines(begin, begin + 20_000))
        rotate(log, max_bytes=100_000, keep=5)
    moments = {file.number: file.modified for file in archive_files(log)}
    plain = sum(file.stored for file in archive_files(log))
    pack_all(log)
    assert names(log) == ["it.log.1.gz", "it.log.2.gz", "it.log.3.gz"]
    assert {file.number: file.modified for file in archive_files(log)} == moments
    assert sum(file.stored for file in archive_files(log)) < plain / 4
    for file in archive_files(log):
        subprocess.run(["gzip", "--test", str(file.path)], check=True)
        assert file.path.stat().st_mode & 0o777 == 0o640
    assert numbers(unpacked(log)) == list(range(60_000))
    append(log, lines(60_000, 80_000))
    rotate(log, max_bytes=100_000, keep=3)
    assert names(log) == ["it.log.1", "it.log.2.gz", "it.log.3.gz"]
    assert sorted(os.listdir(log.parent)) == sorted([*names(log), "it.log", "it.log.rotation"])


def test_any_place_of_a_compressed_archive_is_read_without_what_comes_before(log: Path) -> None:
    data = lines(0, 100_000)
    append(log, data)
    rotate(log, max_bytes=100_000, keep=5)
    pack_all(log)
    archived = read_ledger(log).archives[0]
    assert archived.end > 8 * 256 * 1024
    for offset in [0, 1, (1 << 18) - 1, 1 << 18, archived.end - 10, *random.sample(range(len(data)), 50)]:
        assert read_log(log, offset, 1000).data == data[offset : offset + 1000]
    assert read_log(log, 0, len(data)).data == data


# --- reading across it (scenario 23) --------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
def test_offsets_outlive_rotations(log: Path, compress: bool) -> None:
    """Scenario 23: a run's offset, and that of somebody who comes back, mean the same bytes as before."""
    append(log, lines(0, 5000))
    offset = log_end(log)
    inode = log.stat().st_ino
    for begin in range(5000, 45_000, 10_000):
        append(log, lines(begin, begin + 10_000))
        rotate(log, max_bytes=100_000, keep=9)
        if compress:
            pack_all(log)
    assert numbers(follow(log, offset, inode)[0]) == list(range(5000, 45_000))
    assert log_end(log) == len(lines(0, 45_000))
    assert numbers(tail(log, 30_000, limit=1 << 30).text) == list(range(15_000, 45_000))


def test_what_is_no_longer_kept_is_passed_over(log: Path) -> None:
    for begin in range(0, 60_000, 10_000):
        append(log, lines(begin, begin + 10_000))
        rotate(log, max_bytes=100_000, keep=2)
    chunk = LogReader(log).read(0, log.stat().st_ino)
    assert chunk.start == chunk.first > 0
    assert not chunk.reset
    assert chunk.text.startswith(lines(0, 60_000)[chunk.start :][:500].decode())


def test_an_archive_that_somebody_deleted_is_passed_over(log: Path) -> None:
    for begin in range(0, 40_000, 10_000):
        append(log, lines(begin, begin + 10_000))
        rotate(log, max_bytes=100_000, keep=9)
    gone = read_ledger(log).archives[2]
    log.with_name("it.log.3").unlink()
    text, offset, inode = "", 0, log.stat().st_ino
    while (chunk := LogReader(log).read(offset, inode)).offset != offset:
        text, offset = text + chunk.text, chunk.offset
    everything = lines(0, 40_000)
    assert text.encode() == everything[: gone.start] + everything[gone.end :]
    assert 0 < gone.start < gone.end
    append(log, lines(40_000, 50_000))
    rotate(log, max_bytes=100_000, keep=9)
    assert names(log) == ["it.log.1", "it.log.2", "it.log.3", "it.log.4"]  # the gap is filled


def test_a_log_that_was_emptied_by_hand_is_begun_anew(log: Path) -> None:
    append(log, lines(0, 10_000))
    rotate(log, max_bytes=100_000, keep=3)
    offset, inode = log_end(log), log.stat().st_ino
    os.truncate(log, 0)
    append(log, b"anew\n")
    chunk = LogReader(log).read(offset, inode)
    assert (chunk.text, chunk.reset) == ("anew\n", True)
    assert LogReader(log).read(chunk.offset, inode).text == ""
    append(log, lines(0, 10_000))
    rotate(log, max_bytes=100_000, keep=3)
    assert follow(log, chunk.offset, inode)[0].encode() == lines(0, 10_000)


def test_a_log_that_was_replaced_is_begun_anew_and_its_archives_stay(log: Path) -> None:
    append(log, lines(0, 10_000))
    rotate(log, max_bytes=100_000, keep=3)
    inode, archived_to = log.stat().st_ino, read_ledger(log).archived_to
    log.with_name("new").write_bytes(b"another\n")
    os.replace(log.with_name("new"), log)
    text, offset = "", 0
    while not (chunk := LogReader(log).read(offset, inode)).reset:
        text, offset = text + chunk.text, chunk.offset
    assert text.encode() == lines(0, 10_000)[:archived_to]
    assert (chunk.text, chunk.start) == ("another\n", archived_to)
    append(log, lines(0, 10_000))
    rotate(log, max_bytes=100_000, keep=3)
    assert unpacked(log) == lines(0, 10_000)[:archived_to] + b"another\n" + lines(0, 10_000)


def test_a_follower_beside_a_busy_service_rotation_and_compression_sees_each_line_once(log: Path) -> None:
    """Scenario 23, with a writer process of its own; rotated at a tiny size, as fast as it goes."""
    total = 60_000
    writer = start_writer(log, total, megabytes_per_second=3)
    inode, parts, offset, rotations = log.stat().st_ino, [], 0, 0
    rotating, done = threading.Lock(), threading.Event()

    def compress() -> None:
        while not done.wait(0.005):  # a lock is not fair to those who wait for it
            pack_one(log, rotating, done.is_set)

    packer = threading.Thread(target=compress)
    packer.start()
    while writer.poll() is None:
        with rotating:
            rotations += rotate(log, max_bytes=4 * BLOCK, keep=100_000) is not None
        text, offset = follow(log, offset, inode, limit=7000)
        parts.append(text)
    done.set()
    packer.join()
    parts.append(follow(log, offset, inode)[0])
    assert writer.stderr is not None
    writer.stderr.close()
    assert writer.wait() == 0
    assert rotations > 5
    assert any(name.endswith(".gz") for name in names(log))
    assert numbers("".join(parts)) == list(range(total))
    assert numbers(unpacked(log)) == list(range(total))
