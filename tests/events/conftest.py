"""Real web workers for tests of streams."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from pytest_django import DjangoDbBlocker

from medimgr.events.log import publish, write_tick
from medimgr.events.models import Connection, Event
from tests.events.sessions import log_in
from tests.events.stream_client import StreamClient
from tests.running import Instance, RunningProcess, free_port

HEARTBEAT = 0.5


class Site:
    """One installation with web workers and people, seen from outside."""

    def __init__(self, directory: Path, **variables: str) -> None:
        """Prepare; ``variables`` are settings beside a short heartbeat and room for many streams."""
        settings = {
            "MEDIMGR_STREAM_HEARTBEAT_SECONDS": str(HEARTBEAT),
            "MEDIMGR_STREAM_MAX_PER_ADDRESS": "400",
            **variables,
        }
        self.instance = Instance(directory, **settings)
        self.ports: list[int] = []
        self.workers: list[RunningProcess] = []
        self._ended: list[RunningProcess] = []

    def start_worker(self, *, fault: str = "") -> RunningProcess:
        """Start one more web worker and wait until it listens; with ``fault``, one that has it."""
        self.ports.append(free_port())
        program = ("tests.properties.faulty_worker", fault) if fault else ("daphne",)
        self.workers.append(self.instance.daphne(self.ports[-1], program=program))
        return self.workers[-1]

    def restart_worker(self, worker: int, number: signal.Signals = signal.SIGKILL) -> None:
        """End a web worker with this signal, and start one on its port."""
        self.workers[worker].signal(number)
        self.workers[worker].wait(20)
        self._ended.append(self.workers[worker])
        self.workers[worker] = self.instance.daphne(self.ports[worker])

    def person(self, name: str, *codenames: str, **fields: Any) -> str:
        """Make a member of staff with these permissions and return the key of a new session."""
        with self.instance.database():
            user, made = User.objects.get_or_create(username=name, defaults={"is_staff": True, **fields})
            if made:
                user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
            return log_in(user)

    def operator(self) -> str:
        """Return the session of somebody who may see and do everything."""
        return self.person("operator", is_superuser=True)

    def connect(self, session: str = "", *, worker: int = 0, **query: Any) -> StreamClient:
        """Ask for a stream; with ``session`` empty, the operator's."""
        query.setdefault("topics", "service")
        return StreamClient(self.ports[worker], session or self.operator(), **query)

    def open(self, session: str = "", *, worker: int = 0, **query: Any) -> StreamClient:
        """Open a stream and read its greeting."""
        return self.connect(session, worker=worker, **query).start()

    def publish(self, topic: str, key: str, data: dict[str, Any] | None = None) -> int:
        """Publish one event and return its id."""
        with self.instance.database(), transaction.atomic():
            publish(topic, key, data or {})
            return Event.objects.latest("id").pk

    def tick(self, node: str, values: dict[str, list[float]]) -> None:
        """Write the measurements of a node."""
        with self.instance.database():
            write_tick(node, values)

    def rows(self) -> int:
        """Return how many connection rows there are."""
        with self.instance.database():
            return Connection.objects.count()

    def last_fact(self) -> dict[str, Any]:
        """Return the newest event about a connection."""
        with self.instance.database():
            return dict(Event.objects.filter(topic="connection").latest("id").data)

    def wait_for_rows(self, count: int, timeout: float) -> None:
        """Wait until there are exactly ``count`` connection rows."""
        self.instance.wait_for(lambda: self.rows() == count, timeout, f"{count} connection rows")

    def assert_quiet(self) -> None:
        """Fail where a worker has written about trouble."""
        for worker in [*self._ended, *self.workers]:
            output = worker.output()
            for word in (
                "Traceback",
                "took too long",
                "ERROR",
                "CRITICAL",
                "never retrieved",
                "was destroyed",
            ):
                assert word not in output, output[-4000:]


@contextmanager
def running_site(
    directory: Path, blocker: DjangoDbBlocker, *, fault: str = "", **variables: str
) -> Iterator[Site]:
    """Run a site with one web worker for the length of the block; with ``fault``, a worker that has it."""
    with blocker.unblock():
        site = Site(directory, **variables)
        try:
            site.start_worker(fault=fault)
            yield site
        finally:
            site.instance.close()


@pytest.fixture(scope="module")
def shared_site(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """One site for all tests of a module."""
    with running_site(tmp_path_factory.mktemp("site"), django_db_blocker) as site:
        yield site


@pytest.fixture
def site(shared_site: Site, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """The module's site, with no stream open before the test nor after it, and no trouble in its output."""
    with django_db_blocker.unblock():
        shared_site.wait_for_rows(0, 5)
        yield shared_site
        shared_site.wait_for_rows(0, 5)
        shared_site.assert_quiet()
