"""Migrated databases for tests that start processes: migrated once per test run, copied after that."""

import atexit
import functools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from django.conf import settings
from psycopg import sql

_ROOT = Path(__file__).resolve().parent.parent
_TEMPLATE = "medimgr_migrated"


def fresh_database(path: Path) -> str:
    """Return the URL of a new migrated database of this run's engine; ``path`` serves for SQLite."""
    if os.environ.get("MEDIMGR_TEST_DATABASE") == "postgresql":
        return _copy_of_postgresql(os.environ["DATABASE_URL"])
    with closing(sqlite3.connect(_migrated_sqlite())) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return f"sqlite:///{path}"


def _migrate(url: str, data_dir: Path) -> None:
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "medimgr.settings",
        "DJANGO_SECRET_KEY": settings.SECRET_KEY,
        "DATABASE_URL": url,
        "MEDIMGR_DATA_DIR": str(data_dir),
    }
    subprocess.run(
        [sys.executable, str(_ROOT / "manage.py"), "migrate", "--verbosity=0"],
        env=env,
        check=True,
        timeout=120,
    )


@functools.cache
def _migrated_sqlite() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="medimgr-migrated-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = directory / "medimgr.sqlite3"
    _migrate(f"sqlite:///{path}", directory)
    return path


@functools.cache
def _migrated_postgresql(server_url: str) -> str:
    _execute(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    with tempfile.TemporaryDirectory(prefix="medimgr-migrated-") as directory:
        _migrate(_on_server(server_url, _TEMPLATE), Path(directory))
    return _TEMPLATE


def _copy_of_postgresql(server_url: str) -> str:
    name = f"medimgr_{uuid4().hex[:12]}"
    _execute(
        server_url,
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(_migrated_postgresql(server_url))
        ),
    )
    return _on_server(server_url, name)


def _on_server(server_url: str, database: str) -> str:
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{database}"))


def _execute(server_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(statement)
