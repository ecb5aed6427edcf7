"""This checkout of medimgr: its operations worker, and its web worker with somebody logged in."""

import contextlib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from monitoring.supervisor.web_socket import BACKLOG
from tests.benchmarks.operation_peers.apps import COMMITS
from tests.benchmarks.operation_peers.queue_peer import QueuePeer
from tests.benchmarks.peers.medimgr_here import ROOT

_PLACE = "tests.benchmarks.operation_peers"
_FAILED = 50
_migrated: list[bytes] = []
MANAGE = [sys.executable, str(ROOT / "manage.py")]


class Medimgr(QueuePeer):
    """``manage.py run_operations`` with its four threads, chores included."""

    title = "medimgr"
    unfinished = "SELECT count(*) FROM operations_operation WHERE status IN ('PENDING', 'RUNNING')"

    def version(self) -> str:
        """Return the commit that is measured."""
        asked = ["git", "describe", "--always", "--dirty"]
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
        return found.stdout.strip() or "?"

    def environment(self) -> Mapping[str, str]:
        """Return the settings of an installation in the peer's directory."""
        own = ("MEDIMGR_", "DJANGO_", "DATABASE_")
        kept = {name: value for name, value in super().environment().items() if not name.startswith(own)}
        return kept | {
            "DJANGO_SETTINGS_MODULE": f"{_PLACE}.medimgr_settings",
            "DJANGO_SECRET_KEY": "only-for-the-benchmarks-of-this-machine-0123456789",
            "DATABASE_URL": self.database_url,
            "MEDIMGR_DATA_DIR": str(self.directory / "data"),
            "MEDIMGR_NODE": "bench",
            # The chore is not to delete what is being measured.
            "MEDIMGR_OPERATION_KEEP_HOURS": "100000",
        }

    def prepare(self) -> None:
        """Migrate the database; a SQLite file that was migrated once is copied after that."""
        path = self.directory / "queue.sqlite3"
        if self.database_url.endswith(str(path)) and _migrated:
            path.write_bytes(_migrated[0])
            return
        self.run([*MANAGE, "migrate", "--verbosity", "0"])
        if self.database_url.endswith(str(path)):
            with contextlib.closing(sqlite3.connect(path)) as opened:
                opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _migrated.append(path.read_bytes())

    def worker(self) -> list[str]:
        """Return the operations worker's command."""
        return [*MANAGE, "run_operations"]

    def asker(self) -> list[str]:
        """Return the command that asks."""
        return [sys.executable, "-m", f"{_PLACE}.ask_medimgr"]

    def seed(self, count: int, lines: int) -> None:
        """Have ``count`` finished operations with ``lines`` of log each."""
        self.run([sys.executable, "-m", "tests.benchmarks.seeding", str(count), str(lines)])


class MedimgrOnTheWeb(Medimgr):
    """The same with the web worker of ``manage.py up``, and an operator's session."""

    def __init__(self, directory: Path, database_url: str = "") -> None:
        """Use ``directory``, which exists and is empty."""
        super().__init__(directory, database_url)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._listening.getsockname()[1]
        self.commits = directory / "commits"
        self.session = ""
        self.failed: list[str] = []
        """Operations that may be asked for again; each does nothing."""

    def log_in(self) -> None:
        """Make an operator with a session, and operations that have failed."""
        told = self.run([sys.executable, "-m", f"{_PLACE}.make_operator", str(_FAILED)])
        self.session, *self.failed = told.split()

    def serve(self) -> None:
        """Start the web worker on the socket that a supervisor would hold."""
        number = self._listening.fileno()
        command = [sys.executable, "-m", "medimgr.web_worker", "--fd", str(number)]
        self.start(command, inherits=(number,), variables={COMMITS: str(self.commits)})

    def close(self) -> None:
        """End the processes and close the socket."""
        super().close()
        self._listening.close()
