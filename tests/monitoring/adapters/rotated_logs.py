"""Looks at a log and its archives the way people do: as files, with gzip(1)."""

import os
import subprocess
import sys
from pathlib import Path

from monitoring.supervisor.log_archives import archive_files

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
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
