"""What a supervisor writes down about its runs, its successor reads, whatever has happened to the files."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.supervisor.identity import Identity
from monitoring.supervisor.journal import JournalEntry, RunJournal, spec_digest
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


def test_what_was_written_is_read(tmp_path: Path) -> None:
    RunJournal(tmp_path / "runs").write(ENTRY)
    assert RunJournal(tmp_path / "runs").load() == {"backend": ENTRY}


def test_the_pid_is_added_later(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path)
    journal.write(ENTRY)
    assert journal.load()["backend"].identity() is None
    journal.write(LIVE)
    assert journal.load()["backend"].identity() == Identity(4711, 99, "boot", "abc")


def test_a_run_that_is_over_is_forgotten(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path)
    journal.write(ENTRY)
    journal.remove("backend")
    journal.remove("backend")
    assert journal.load() == {}
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    RunJournal(tmp_path / "a" / "runs")
    assert (tmp_path / "a" / "runs").stat().st_mode & 0o077 == 0


@given(keys=st.sets(st.text(min_size=1, max_size=300).filter(lambda k: k.isprintable()), min_size=1))
def test_any_key_has_a_file_of_its_own(tmp_path_factory: pytest.TempPathFactory, keys: set[str]) -> None:
    directory = tmp_path_factory.mktemp("runs")
    journal = RunJournal(directory)
    for key in [*sorted(keys), "..", "/", "../x", ".json", "a/b"]:
        journal.write(replace(ENTRY, key=key))
    assert set(journal.load()) == {*keys, "..", "/", "../x", ".json", "a/b"}
    assert all(path.parent == directory for path in directory.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        b"",
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
        b"[" * 100_000,
    ],
)
def test_a_file_that_makes_no_sense_is_left_out_with_a_warning(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    journal = RunJournal(tmp_path)
    journal.write(LIVE)
    (tmp_path / "broken.json").write_bytes(text)
    (tmp_path / "directory.json").mkdir()
    with caplog.at_level(logging.WARNING):
        assert journal.load() == {"backend": LIVE}
    assert "broken.json" in caplog.text


def test_every_shortened_file_is_left_out(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path)
    journal.write(LIVE)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        assert journal.load() == {}
    path.write_bytes(whole)
    assert journal.load() == {"backend": LIVE}


@pytest.mark.parametrize("run_id", ["short", "l" + 4000 * "o" + "ng"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, run_id: str) -> None:
    journal = RunJournal(tmp_path)
    journal.write(ENTRY)
    [path] = tmp_path.iterdir()
    path.with_name(path.name + ".new").mkdir()  # both stand in the way, as a full disk would
    kept = tmp_path / "kept"
    path.rename(kept)
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        journal.write(replace(LIVE, run_id=run_id))
    path.rmdir()
    kept.rename(path)
    assert journal.load() == {"backend": ENTRY}


def test_a_longer_entry_gives_way_to_a_shorter_one(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path)
    for run_id in ("r" * 5000, "r" * 1900, "r", "r" * 5000):
        journal.write(replace(LIVE, run_id=run_id))
        assert journal.load()["backend"].run_id == run_id
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_writer_leaves_one_whole_entry(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from monitoring.supervisor.journal import JournalEntry, RunJournal\n"
        "journal = RunJournal(Path(sys.argv[1]))\n"
        "number = 0\n"
        "while number := number + 1:\n"
        "    journal.write(JournalEntry('backend', 'r' * number, '', datetime.now(UTC), pid=number))\n"
        "    number == 1 and print('writing', flush=True)\n"
    )
    for pause in (0.0, 0.005, 0.02):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(pause)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        entry = RunJournal(tmp_path).load()["backend"]
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
