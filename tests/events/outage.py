"""Takes a real database away for a while: a server that lets nobody in, a file that is not there."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql


@contextlib.contextmanager
def outage(database_url: str) -> Iterator[None]:
    """Nobody can connect within the block, and whoever was connected to PostgreSQL is thrown out."""
    if database_url.startswith("sqlite"):
        with _file_away(Path(database_url.removeprefix("sqlite:///"))):
            yield
    else:
        parts = urlsplit(database_url)
        with _server_closed(urlunsplit(parts._replace(path="/postgres")), parts.path.lstrip("/")):
            yield


@contextlib.contextmanager
def _file_away(path: Path) -> Iterator[None]:
    aside = path.with_name(path.name + ".aside")
    os.rename(path, aside)
    # Or the next connect would make a file here, which takes up the other's write-ahead log.
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        os.rename(aside, path)


@contextlib.contextmanager
def _server_closed(maintenance_url: str, name: str) -> Iterator[None]:
    def allow(word: str) -> None:
        with psycopg.connect(maintenance_url, autocommit=True) as server:
            server.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), sql.SQL(word))
            )
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )

    allow("false")
    try:
        yield
    finally:
        allow("true")
