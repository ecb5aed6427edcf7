"""Whatever a service writes, and whenever its log is rotated or read: nothing is lost and nothing doubled."""

import os
import shutil
import tempfile
import threading
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from monitoring.supervisor.logs import LogReader, open_log, rotate_if_large

KEPT = 50
lines = st.lists(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=30))


class LogBeingRead(RuleBasedStateMachine):
    """A writer, a rotator and a reader that keeps only (offset, inode)."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="medimgr-log-"))
        self.path = self.directory / "it.log"
        self.fd = open_log(self.path)
        self.written = b""
        self.read = ""
        self.offset, self.inode = 0, os.fstat(self.fd).st_ino
        self.rotations = 0

    @rule(lines=lines)
    def write_lines(self, lines: list[str]) -> None:
        self._write("".join(line + "\n" for line in lines).encode())

    @rule(text=st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=50))
    def write_without_end(self, text: str) -> None:
        self._write(text.encode())

    @rule(data=st.sampled_from([c.encode() for c in "ä€😀"]), cut=st.integers(1, 2))
    def write_a_character_in_two_goes(self, data: bytes, cut: int) -> None:
        self._write(data[: min(cut, len(data) - 1)])
        self._read(64)
        self._write(data[min(cut, len(data) - 1) :])

    def _write(self, data: bytes) -> None:
        os.write(self.fd, data)
        self.written += data

    @precondition(lambda self: self.rotations < KEPT)
    @rule(reads_between=st.booleans())
    def rotate(self, reads_between: bool) -> None:
        if not rotate_if_large(self.path, 1, KEPT):
            return
        self.rotations += 1
        if reads_between:
            self._read(64)
        os.close(self.fd)
        self.fd = open_log(self.path)

    @rule(limit=st.integers(1, 200))
    def read_a_piece(self, limit: int) -> None:
        self._read(limit)

    @rule()
    def time_passes(self) -> None:
        os.utime(self.path, (1, 1))

    def _read(self, limit: int) -> bool:
        chunk = LogReader(self.path).read(self.offset, self.inode, limit)
        moved = (chunk.offset, chunk.inode) != (self.offset, self.inode)
        assert not chunk.text or moved
        assert chunk.reset == (chunk.inode != self.inode)
        assert chunk.start == (0 if chunk.reset else self.offset)
        self.offset, self.inode = chunk.offset, chunk.inode
        self.read += chunk.text
        return moved

    @invariant()
    def what_was_read_is_the_beginning_of_what_was_written(self) -> None:
        assert self.written.startswith(self.read.encode())

    def teardown(self) -> None:
        os.utime(self.path, (1, 1))
        while self._read(100):
            pass
        os.close(self.fd)
        shutil.rmtree(self.directory)
        assert self.read.encode() == self.written


LogBeingRead.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLogBeingRead = LogBeingRead.TestCase


def test_a_reader_beside_a_busy_writer_and_rotations_misses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    total = 20_000
    os.close(open_log(path))
    inode = path.stat().st_ino
    done = threading.Event()

    def write() -> None:
        for begin in range(0, total, 500):
            fd = open_log(path)
            for number in range(begin, begin + 500):
                os.write(fd, b"line %d\n" % number)
            os.close(fd)
            rotate_if_large(path, 1, 100)
        os.close(open_log(path))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    text, offset = "", 0
    while True:
        finished = done.is_set()
        chunk = LogReader(path).read(offset, inode, 3000)
        text += chunk.text
        if finished and (chunk.offset, chunk.inode) == (offset, inode):
            break
        offset, inode = chunk.offset, chunk.inode
    writer.join()
    assert text.splitlines() == [f"line {number}" for number in range(total)]
