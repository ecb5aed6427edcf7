"""What a supervisor writes down about its runs, its successor reads, whatever has happened to the file."""

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.supervisor.identity import Identity
from monitoring.supervisor.journal import FILE, SLOT, JournalEntry, RunJournal, spec_digest
from monitoring.supervisor.spec import ServiceSpec

ROOT = Path(__file__).parents[3]
ENTRY = JournalEntry(
    key="backend",
    run_id="abc",
    reason="operator",
    started_at=datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC),
    spec_digest="d1",
    log_offset=77,
)
LIVE = replace(ENTRY, pid=4711, start_ticks=99, boot_id="boot")


KEYS = st.text(min_size=1, max_size=300).filter(lambda key: key.isprintable())


def read_anew(directory: Path) -> dict[str, JournalEntry]:
    with closing(RunJournal(directory)) as journal:
        return journal.load()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunJournal]:
    with closing(RunJournal(tmp_path)) as journal:
        yield journal


def test_what_was_written_is_read(tmp_path: Path, journal: RunJournal) -> None:
    journal.write(ENTRY)
    assert read_anew(tmp_path) == {"backend": ENTRY}


def test_the_pid_is_added_later(journal: RunJournal) -> None:
    journal.write(ENTRY)
    assert journal.load()["backend"].identity() is None
    journal.write(LIVE)
    assert journal.load()["backend"].identity() == Identity(4711, 99, "boot", "abc")


def test_a_run_that_is_over_is_forgotten(tmp_path: Path, journal: RunJournal) -> None:
    journal.write(ENTRY)
    journal.remove("backend")
    journal.remove("backend")
    assert journal.load() == read_anew(tmp_path) == {}


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    RunJournal(tmp_path / "a" / "runs").close()
    assert (tmp_path / "a" / "runs").stat().st_mode & 0o077 == 0
    assert (tmp_path / "a" / "runs" / FILE).stat().st_mode & 0o077 == 0


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.booleans())), st.sets(KEYS, max_size=5)
)
def test_whatever_comes_and_goes_a_successor_reads_what_is_there(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, bool, bool]], keys: set[str]
) -> None:
    directory = tmp_path_factory.mktemp("runs")
    expected: dict[str, JournalEntry] = {}
    journal = RunJournal(directory)
    most = 0
    for number, (key, there, anew) in enumerate(
        [*deeds, *((key, True, False) for key in [*sorted(keys), "..", "/", "../x", "a\udc80b"])]
    ):
        if there:
            expected[key] = replace(LIVE, key=key, pid=number)
            journal.write(expected[key])
        else:
            expected.pop(key, None)
            journal.remove(key)
        most = max(most, len(expected))
        if anew:
            journal.close()
            journal = RunJournal(directory)
    journal.close()
    assert read_anew(directory) == expected
    assert (directory / FILE).stat().st_size <= most * SLOT
    assert [path.name for path in directory.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b"{}",
        b'{"key": "a"}',
        b'{"key":"a","run_id":"r","reason":"","started_at":"2026-01-01T00:00:00","spec_digest":"",'
        b'"log_offset":0,"pid":1,"start_ticks":1,"boot_id":""}',
        b'{"key":"a","run_id":"r","reason":"","started_at":5,"spec_digest":"",'
        b'"log_offset":0,"pid":1,"start_ticks":1,"boot_id":""}',
        b"[" * SLOT,
    ],
)
def test_a_slot_that_makes_no_sense_is_left_out_with_a_warning_and_used_again(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(RunJournal(tmp_path)) as journal:
        for key in ("first", "second", "third"):
            journal.write(replace(LIVE, key=key))
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(SLOT)
        file.write(text.ljust(SLOT))
    with caplog.at_level(logging.WARNING), closing(RunJournal(tmp_path)) as journal:
        assert journal.load().keys() == {"first", "third"}
        assert "place 1 of the run journal" in caplog.text
        journal.write(replace(LIVE, key="fourth"))
    assert read_anew(tmp_path).keys() == {"first", "third", "fourth"}
    assert (tmp_path / FILE).stat().st_size == 3 * SLOT


def test_every_shortened_file_is_left_out(tmp_path: Path, journal: RunJournal) -> None:
    journal.write(LIVE)
    path = tmp_path / FILE
    whole = path.read_bytes()
    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        assert read_anew(tmp_path) == {}
    path.write_bytes(whole)
    assert read_anew(tmp_path) == {"backend": LIVE}


def test_an_entry_that_is_too_long_leaves_what_was_there(tmp_path: Path, journal: RunJournal) -> None:
    journal.write(ENTRY)
    with pytest.raises(OSError, match="too large"):
        journal.write(replace(LIVE, run_id="long" * SLOT))
    assert read_anew(tmp_path) == {"backend": ENTRY}


def test_a_full_disk_takes_no_new_entry_but_still_the_old_ones(tmp_path: Path, journal: RunJournal) -> None:
    journal.write(ENTRY)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SLOT, limits[1]))  # no file may grow beyond its first entry
    try:
        with pytest.raises(OSError, match="too large"):
            journal.write(replace(LIVE, key="another"))
        journal.write(LIVE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read_anew(tmp_path) == {"backend": LIVE}
    journal.write(replace(LIVE, key="another"))
    assert read_anew(tmp_path).keys() == {"backend", "another"}


def test_a_killed_writer_leaves_one_whole_entry(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from monitoring.supervisor.journal import JournalEntry, RunJournal\n"
        "journal = RunJournal(Path(sys.argv[1]))\n"
        "number = 0\n"
        "while number := number + 1:\n"
        "    length = number % 1500\n"
        "    journal.write(JournalEntry('backend', 'r' * length, '', datetime.now(UTC), pid=length))\n"
        "    number == 1 and print('writing', flush=True)\n"
    )
    for pause in (0.0, 0.005, 0.02, 0.1):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(pause)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        entry = read_anew(tmp_path)["backend"]
        assert len(entry.run_id) == entry.pid


def test_the_digest_tells_what_needs_a_restart() -> None:
    spec = ServiceSpec("a", "A", ("run", "it"))
    assert spec_digest(spec) == spec_digest(replace(spec, name="B", stop_timeout=3.0, priority=5))
    others = [
        replace(spec, command=("run it",)),
        replace(spec, cwd="/tmp"),
        replace(spec, env=(("A", "1"),)),
        replace(spec, user="nobody"),
        replace(spec, umask=0o22),
    ]
    assert len({spec_digest(s) for s in [spec, *others]}) == 6
    assert all(other.needs_restart(spec) for other in others)
