"""Looks at a log and its archives the way people do: as files, with gzip(1)."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from monitoring.supervisor.log_archives import archive_files
from monitoring.supervisor.log_packing import pack_one
from monitoring.supervisor.logs import LogReader, open_log

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
BLOCK = 4096
ROOT = PROGRAMS.parent.parent.parent


def start_writer(log: Path, count: int, megabytes_per_second: float = 0.0) -> "subprocess.Popen[bytes]":
    """Start a process that writes ``count`` numbered lines to a log that it has inherited, open to append."""
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        command = [sys.executable, "-I", "-S", str(PROGRAMS / "numbered_lines.py"), str(count)]
        speed = [str(megabytes_per_second)] if megabytes_per_second else []
        return subprocess.Popen([*command, *speed], stdout=fd, stderr=subprocess.PIPE)
    finally:
        os.close(fd)


def start_rotating(log: Path, max_bytes: int) -> "subprocess.Popen[bytes]":
    """Start a process that rotates and compresses as fast as it can; return it once it has settled."""
    process = subprocess.Popen(
        [sys.executable, "-S", str(PROGRAMS / "rotating.py"), str(log), str(max_bytes)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"settled\n"
    return process


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill -9 a process that a test has started."""
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def unpacked(log: Path) -> bytes:
    """Return all archives and the live log, one after the other, as gzip(1) gives them.

    Without the zeros that the beginning of a log reads as where the file system can only punch holes.
    """
    files = [str(file.path) for file in reversed(archive_files(log))]
    done = subprocess.run(["zcat", "-f", *files, str(log)], capture_output=True, check=True)
    return done.stdout.replace(b"\0", b"")


def numbers(text: str | bytes) -> list[int]:
    """Return the numbers that lines begin with."""
    return [int(line.split()[0]) for line in text.splitlines()]


def append(log: Path, data: bytes) -> None:
    fd = open_log(log)
    os.write(fd, data)
    os.close(fd)


def lines(first: int, end: int) -> bytes:
    return b"".join(b"%d %s\n" % (number, b"x" * (number % 50)) for number in range(first, end))


def names(log: Path) -> list[str]:
    return [file.path.name for file in archive_files(log)]


def after_half_a_line(data: bytes) -> bytes:
    return data.partition(b"\n")[2]


def pack_all(log: Path) -> None:
    while pack_one(log, nullcontext(), lambda: False):
        pass


def follow(log: Path, offset: int, inode: int, limit: int = 50_000) -> tuple[str, int]:
    """Read on to the end; every piece has to follow the one before it."""
    parts = []
    while True:
        chunk = LogReader(log).read(offset, inode, limit)
        assert (chunk.start, chunk.reset) == (offset, False)
        parts.append(chunk.text)
        if chunk.offset == offset:
            return "".join(parts), offset
        offset = chunk.offset
