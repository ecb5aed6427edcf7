"""A web worker of this checkout, on a database of its own, whose streams belong to logged-in people."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitoring.supervisor.web_socket import BACKLOG
from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.peers.medimgr_here import ROOT
from tests.benchmarks.stream_peers.peer import StreamPeer

_PEOPLE = 10
_STREAMS_PER_SESSION = 4


@dataclass(frozen=True, slots=True)
class _Prepared:
    database: bytes
    cookies: str


_prepared: dict[int, _Prepared] = {}
"""How many sessions → a SQLite file that has them."""


class Medimgr(StreamPeer):
    """As it is installed: the worker of ``manage.py up``, with the limits raised."""

    title = "medimgr"
    path = "/events/?topics=service"
    direct = True
    database_url = ""
    """SQLite in the peer's directory where empty."""
    notes_ends = False
    """Whether :attr:`ends` gets a line when a stream ends."""

    def __init__(self, directory: Path) -> None:
        """Use ``directory``, which exists and is empty."""
        super().__init__(directory)
        self._listening: socket.socket | None = None
        self.ends = directory / "ends"
        self.database = directory / "medimgr.sqlite3"

    def version(self) -> str:
        """Return the commit that is measured."""
        asked = ["git", "describe", "--always", "--dirty"]
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
        return found.stdout.strip() or "?"

    def environment(self) -> Mapping[str, str]:
        """Return the settings of an installation in the peer's directory."""
        own = ("MEDIMGR_", "DJANGO_", "DATABASE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "medimgr.settings",
            "DJANGO_SECRET_KEY": "only-for-the-benchmarks-of-this-machine-0123456789",
            "DATABASE_URL": self.database_url or f"sqlite:///{self.database}",
            "MEDIMGR_DATA_DIR": str(self.directory / "data"),
            "MEDIMGR_NODE": "bench",
            "MEDIMGR_STREAM_MAX_CONNECTIONS": "50000",
            "MEDIMGR_STREAM_MAX_PER_ADDRESS": "50000",
            "MEDIMGR_STREAM_DIRECT": "on" if self.direct else "off",
        }

    def prepare(self, connections: int) -> None:
        """Migrate the database and log people in; a file that has been prepared so is copied."""
        sessions = max(_PEOPLE, connections // _STREAMS_PER_SESSION)
        self.cookies = self.directory / "cookies"
        prepared = _prepared.get(sessions)
        if prepared is not None and not self.database_url:
            self.database.write_bytes(prepared.database)
            self.cookies.write_text(prepared.cookies)
            return
        self.run([sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"])
        module = "tests.benchmarks.stream_peers.make_sessions"
        self.cookies.write_text(self.run([sys.executable, "-m", module, str(_PEOPLE), str(sessions)]))
        if not self.database_url:
            _prepared[sessions] = _Prepared(self._whole_database(), self.cookies.read_text())

    def _whole_database(self) -> bytes:
        """Return the file, with what its log holds."""
        with contextlib.closing(sqlite3.connect(self.database)) as opened:
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.database.read_bytes()

    def command(self) -> list[str]:
        """Return the web worker's command, with the socket that a supervisor would hold."""
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", self.port), backlog=BACKLOG)
        module = ["medimgr.web_worker"]
        if self.notes_ends:
            module = ["tests.benchmarks.stream_peers.medimgr_worker", str(self.ends)]
        return [sys.executable, "-m", *module, "--fd", str(self._listening.fileno())]

    def descriptors(self) -> tuple[int, ...]:
        """Return the listening socket."""
        return (self._listening.fileno(),) if self._listening else ()

    def stop(self) -> None:
        """End the server and close the socket."""
        super().stop()
        if self._listening is not None:
            self._listening.close()

    def publisher(self, first: int) -> list[str]:
        """Return the command that publishes through the database."""
        return [sys.executable, "-m", "tests.benchmarks.stream_peers.publish_events", str(first)]

    def database_connections(self) -> int | None:
        """Return how many the server has open: SQLite's by its descriptors, PostgreSQL's by its server."""
        if not self.database_url:
            found = 0
            for pid in self.pids():
                for name in os.listdir(f"/proc/{pid}/fd"):
                    found += os.path.realpath(f"/proc/{pid}/fd/{name}") == str(self.database.resolve())
            return found
        import psycopg

        with psycopg.connect(self.database_url) as asking:
            row = asking.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()
        return int(row[0]) if row else None

    def run(self, command: list[str]) -> str:
        """Run a command of the installation; return its output. Raises CannotMeasure."""
        done = subprocess.run(
            command, cwd=ROOT, env=dict(self.environment()), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMeasure(f"{' '.join(command[1:3])} failed: {done.stderr.strip()[-500:]}")
        return done.stdout


class MedimgrPortable(Medimgr):
    """The same without the way past Twisted: what serves on any other ASGI server, or behind TLS."""

    title = "medimgr, portable"
    direct = False

    def version(self) -> str:
        """Return the commit. Raises CannotMeasure where there is no such switch."""
        if "MEDIMGR_STREAM_DIRECT" not in (ROOT / "medimgr" / "settings.py").read_text():
            raise CannotMeasure("This version has no MEDIMGR_STREAM_DIRECT to turn off.")
        return super().version()
