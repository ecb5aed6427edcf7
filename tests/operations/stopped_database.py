"""Stops a real PostgreSQL server by its process id and starts it again; has SQLite locked by a writer."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg
from django.db import connections

from tests import settings as of_this_run


@contextmanager
def database_stopped(database_url: str) -> Iterator[None]:
    """Let nobody write within the block. On PostgreSQL the server is gone, of this test run as a whole."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            yield
            writer.execute("ROLLBACK")
        return
    connections.close_all()
    with psycopg.connect(os.environ["DATABASE_URL"]) as server:
        [directory] = server.execute("SHOW data_directory").fetchone() or [""]
    postmaster = psutil.Process(int((Path(directory) / "postmaster.pid").read_text().split()[0]))
    postmaster.send_signal(signal.SIGINT)  # throws everybody out
    postmaster.wait(30)
    try:
        yield
    finally:
        _start_again()


def _start_again() -> None:
    for attempt in range(5):
        try:
            of_this_run._server.ensure_postgres_running()
        except subprocess.SubprocessError:  # a busy machine: it has not come up within ten seconds
            if attempt == 4:
                raise
        else:
            return
