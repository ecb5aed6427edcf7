"""The logs of running services are kept in bounds, and no service ever waits for that. Scenario 22."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitoring.models import Node, Service
from monitoring.supervisor.log_archives import archive_files
from monitoring.supervisor.logs import LogReader, tail
from tests.monitoring.adapters.rotated_logs import numbers, unpacked
from tests.monitoring.supervision.ward import Ward, program

MB = 1024 * 1024

JUNK = r"""
import os, sys
chunk = bytes(range(1, 256)) * 64
for _ in range(40):
    os.write(1, os.urandom(20_000).replace(b"\0", b"0") + b"\n" + chunk)  # no text at all
    os.write(1, b"m" * 1_000_000 + b"\n")                                # a line of a megabyte
os.write(1, b"no end " * 300_000)                                         # and no newline any more
os.write(2, b"all written\n")
import time
time.sleep(600)
"""


@pytest.fixture
def log_of(shared_ward: Ward) -> Callable[[Service], Path]:
    return lambda service: shared_ward.instance.data_dir / "logs" / f"{service.key}.log"


def exited(ward: Ward, service: Service, timeout: float = 30.0) -> None:
    ward.reaches(service, "EXITED", timeout)


def test_at_fifty_megabytes_a_second_the_log_stays_small_and_no_line_is_lost(
    shared_ward: Ward, log_of: Callable[[Service], Path]
) -> None:
    """Scenario 22: rotation keeps up, and the service does not wait for it."""
    total = 100_000
    service = shared_ward.declare(
        command=program("numbered_lines", str(total), "50", "1000"),
        restart_policy="never",
        log_max_mb=1,
        log_keep=1000,
        log_stderr_apart=True,
        autostart=False,
    )
    log, largest = log_of(service), 0
    shared_ward.ask(service, "start")

    def over() -> bool:
        nonlocal largest
        largest = max(largest, log.stat().st_size if log.exists() else 0)
        return shared_ward.status(service).state == "EXITED"

    shared_ward.wait(over, "all is written", 60)
    said = log.with_name(f"{service.key}.err.log").read_text()
    slowest, speed = map(float, re.findall(r"([\d.]+) (?:ms|MB/s)", said))
    assert len(archive_files(log)) > 2
    assert largest < 150 * MB, f"{largest / MB:.0f} MB before it was rotated"
    assert slowest < 1000, said
    assert speed > 15, said
    shared_ward.wait(lambda: log.stat().st_size < MB, "nothing is left to rotate")
    shared_ward.wait(
        lambda: all(file.path.suffix == ".gz" for file in archive_files(log)), "all is compressed", 30
    )
    assert numbers(unpacked(log)) == list(range(total))


def test_a_follower_across_rotations_and_a_supervisor_that_is_killed_sees_each_line_once(ward: Ward) -> None:
    """Scenario 23: kill -9 of the supervisor while it rotates, twice, and a service that writes on."""
    total = 150_000
    service = ward.declare(
        "talker",
        command=program("numbered_lines", str(total), "1"),
        restart_policy="never",
        log_max_mb=1,
        log_keep=1000,
        log_stderr_apart=True,
    )
    log = ward.instance.data_dir / "logs" / "talker.log"
    ward.start()
    pid = ward.reaches(service, "RUNNING").pid
    inode, offset, parts = log.stat().st_ino, 0, []

    def followed() -> int:
        nonlocal offset
        while (chunk := LogReader(log).read(offset, inode)).offset != offset:
            assert (chunk.start, chunk.reset) == (offset, False)
            parts.append(chunk.text)
            offset = chunk.offset
        return sum(text.count("\n") for text in parts)

    for kept in (1, 2):
        ward.wait(lambda: followed() and len(archive_files(log)) >= kept, "it is rotated", 30)  # noqa: B023
        assert followed() < total, "it is over too early to show anything"
        ward.kill_supervisor()
        followed()
        ward.start()
    assert ward.runs(service)[0].pid == pid
    ward.wait(lambda: followed() >= total, "all was read", 30)
    assert len(ward.runs(service)) == 1
    assert numbers("".join(parts)) == list(range(total))
    ward.wait(lambda: log.stat().st_size < MB, "nothing is left to rotate")
    ward.wait(lambda: all(file.path.suffix == ".gz" for file in archive_files(log)), "all is compressed")
    assert numbers(unpacked(log)) == list(range(total))


def test_stderr_apart_is_rotated_as_well(shared_ward: Ward, log_of: Callable[[Service], Path]) -> None:
    service = shared_ward.declare(
        command=["/bin/sh", "-c", "seq 1 400000 >&2; echo out; sleep 600"],
        log_max_mb=1,
        log_compress=False,
        log_stderr_apart=True,
    )
    log = log_of(service)
    errors = log.with_name(f"{service.key}.err.log")
    shared_ward.wait(lambda: log.exists() and log.read_text() == "out\n", "all is written")
    shared_ward.wait(lambda: archive_files(errors) and errors.stat().st_size < MB, "stderr is rotated")
    assert numbers(unpacked(errors)) == list(range(1, 400_001))
    assert {file.path.suffix for file in archive_files(errors)} == {".1"}  # compressed only where wanted


def test_binary_junk_lines_of_a_megabyte_and_no_newline_are_kept_byte_for_byte(
    shared_ward: Ward, log_of: Callable[[Service], Path]
) -> None:
    """Scenario 22: the tail shows something harmless of it, too."""
    service = shared_ward.declare(
        command=[sys.executable, "-c", JUNK], log_max_mb=2, log_keep=100, log_stderr_apart=True
    )
    log = log_of(service)
    said = log.with_name(f"{service.key}.err.log")
    shared_ward.wait(lambda: said.exists() and said.read_text() == "all written\n", "all is written", 30)
    shared_ward.wait(lambda: log.stat().st_size < 2 * MB, "nothing is left to rotate")
    data = unpacked(log)
    pieces = re.findall(rb"m{1000000}\n", data)
    assert len(pieces) == 40
    assert len(data) == 40 * (20_000 + 1 + 255 * 64 + 1_000_001) + 7 * 300_000
    assert data.endswith(b"no end " * 300_000)
    for wanted in (1, 5, 5000):
        assert all(character in "\n\t" or character >= " " for character in tail(log, wanted).text)
    assert shared_ward.status(service).state == "RUNNING"


@pytest.mark.parametrize("what", ["the file", "the directory"])
def test_a_log_that_is_removed_is_missed_in_words_and_its_service_goes_on(what: str, ward: Ward) -> None:
    """Scenario 22."""
    chatty = ["/bin/sh", "-c", "seq 1 200000; while :; do echo on; sleep 0.05; done"]
    service = ward.declare("talker", command=chatty, log_max_mb=1)
    ward.start()
    status = ward.reaches(service, "RUNNING")
    directory = ward.instance.data_dir / "logs"
    log = directory / "talker.log"
    ward.wait(lambda: archive_files(log), "the log is looked after")
    other = log.stat().st_ino
    if what == "the file":
        log.unlink()
    else:
        directory.rename(directory.with_name("away"))  # at once: the keeper is at work in it
        shutil.rmtree(directory.with_name("away"))
    ward.wait(lambda: log.exists() and log.stat().st_ino != other, "a new file says what has happened")
    assert "this log was removed while its service runs" in log.read_text()
    ward.wait(lambda: "was removed while its service runs" in Node.objects.get().problem, "the node says so")
    assert ward.status(service).pid == status.pid
    ward.act(service, "restart")
    ward.wait(lambda: "on\n" in log.read_text(), "the next run writes to the new file")
    ward.wait(lambda: not Node.objects.get().problem, "and nothing is wrong any more")


def test_above_the_budget_the_oldest_archives_go_and_the_logs_say_so(ward: Ward) -> None:
    ward.start()
    loud = ["/bin/sh", "-c", "while :; do seq 1 200000; sleep 0.2; done"]
    service = ward.declare("loud", command=loud, log_max_mb=1, log_keep=100, log_compress=False)
    log = ward.instance.data_dir / "logs" / "loud.log"
    ward.wait(lambda: len(archive_files(log)) >= 4, "there are archives", 30)
    Node.objects.update(log_budget_mb=3)
    ward.running().signal(signal.SIGHUP)
    ward.wait(lambda: "archives of this log" in log.read_text(), "the oldest are deleted", 15)
    assert "to keep the node's logs within 3" in log.read_text()
    ward.wait(lambda: taken(log.parent) <= 4 * MB, "the logs fit")
    assert ward.status(service).state == "RUNNING"
    Node.objects.update(log_budget_mb=1)
    for name in ("mine.log", "yours.log"):
        (log.parent / name).write_bytes(os.urandom(MB))
    ward.running().signal(signal.SIGHUP)
    ward.wait(
        lambda: "their budget is 1" in Node.objects.get().problem and not archive_files(log),
        "the node says that it is not enough",
        40,
    )
    assert (log.parent / "mine.log").stat().st_size == MB  # a live log is never deleted


def taken(directory: Path) -> int:
    done = subprocess.run(["du", "-sk", str(directory)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0]) * 1024
