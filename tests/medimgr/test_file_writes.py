"""Being told of writes to a file, instead of asking."""

import ctypes
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from medimgr.lib.file_writes import FileWrites
from medimgr.lib.wake import SqliteWake


def test_a_write_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    writes = FileWrites([str(path), str(tmp_path / "not there")])
    assert not writes.wait(0)
    path.write_bytes(b"x")
    assert writes.wait(5)
    assert not writes.wait(0.01)
    writes.close()
    writes.close()


def test_many_writes_are_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    writes = FileWrites([str(path)])
    for _ in range(10_000):
        path.write_bytes(b"x")
    assert writes.wait(5)
    assert not writes.wait(0.01)
    writes.close()


def test_reading_is_no_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    writes = FileWrites([str(path)])
    path.read_bytes()
    assert not writes.wait(0.05)
    writes.close()


def test_with_no_file_to_watch_it_says_so_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="no file can be watched"):
        FileWrites([str(tmp_path / "not there")])
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_system_without_it_is_no_reason_to_miss_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    with pytest.raises(OSError, match="no inotify"):
        FileWrites([str(tmp_path)])
    path = str(tmp_path / "db.sqlite3")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t (x)")
    writer.commit()
    wake = SqliteWake(path)
    assert not wake.wait(0.01, threading.Event())
    writer.execute("INSERT INTO t VALUES (1)")
    writer.commit()
    assert wake.wait(5, threading.Event())
    wake.close()
    writer.close()
