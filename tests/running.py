"""Runs real medimgr processes for tests: a data directory, a migrated database, captured output.

``Instance`` is one installation. Whatever it starts, and whatever that starts in turn, carries its
``MEDIMGR_DATA_DIR`` or its supervisor's mark in the environment, which is how ``close`` finds and ends all
of it.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from monitoring.supervisor.identity import supervisor_mark
from tests.fresh_database import fresh_database

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
_POLL_SECONDS = 0.03
_OUTPUT_SHOWN = 6000
_ports_given: set[int] = set()


def wait_for(
    condition: Callable[[], T], timeout: float, what: str, evidence: Callable[[], str] = lambda: ""
) -> T:
    """Return the first true answer of ``condition``; fail after ``timeout`` seconds, naming ``what``."""
    end = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"Waited {timeout:g} s in vain: {what}.\n{evidence()}")
        time.sleep(_POLL_SECONDS)
    return answer


def free_port() -> int:
    """Return a port that nothing listens on, never the same one twice.

    Below the range that the kernel takes ports for outgoing connections from, so that no other
    test's client can be given it in between.
    """
    for port in random.sample(range(20000, 32000), 500):
        if port in _ports_given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _ports_given.add(port)
            return port
    raise AssertionError("No free port between 20000 and 32000.")


def accepts_connections(port: int) -> bool:
    """Return whether something on loopback accepts connections at ``port``."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def clean_environment() -> dict[str, str]:
    """Return this environment with every variable of medimgr's empty, so that no ``.env`` shows through."""
    own = {name for name in os.environ if name.startswith(("MEDIMGR_", "DJANGO_", "DATABASE_", "PYTEST_"))}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return kept | {line.partition("=")[0]: "" for line in lines if line[:1].isalpha()}


class RunningProcess:
    """One process with its output in a file."""

    def __init__(self, name: str, command: list[str], env: Mapping[str, str], output: Path) -> None:
        self.name = name
        self._output = output
        with output.open("ab") as sink:
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def alive(self) -> bool:
        """Return whether it still runs."""
        return self._popen.poll() is None

    @property
    def returncode(self) -> int | None:
        """Return its exit status (negative: the signal), None while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """Return all that it has written, stdout and stderr together."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to this process alone."""
        self._popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Return the exit status; fail where it is still there after ``timeout`` seconds."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout:g} s.\n{self.output()}") from None

    def stop(self, timeout: float = 20.0) -> int:
        """Ask it to end (SIGTERM) and return the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """Kill -9 this process alone; what it has started lives on."""
        self._popen.kill()
        self._popen.wait(10)


class Instance:
    """One installation of medimgr: data directory, database, and the processes started on them."""

    def __init__(self, directory: Path, *, database_url: str | None = None, **variables: str) -> None:
        """Prepare ``directory``; without ``database_url``, a fresh database of this test run's engine.

        ``variables`` are further environment variables.
        """
        self.directory = directory
        self.data_dir = directory / "data"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.database_url = database_url or fresh_database(directory / "data" / "medimgr.sqlite3")
        self.env = clean_environment() | {
            "DJANGO_SETTINGS_MODULE": "medimgr.settings",
            "DJANGO_SECRET_KEY": settings.SECRET_KEY,
            "DATABASE_URL": self.database_url,
            "MEDIMGR_DATA_DIR": str(self.data_dir),
            "MEDIMGR_NODE": settings.MEDIMGR_NODE,
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "default",
            **variables,
        }
        self.processes: list[RunningProcess] = []

    # --- commands ------------------------------------------------------------------------------
    def manage(self, *arguments: str, timeout: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Run ``manage.py`` to its end and return the outcome, which may be a failure."""
        return subprocess.run(
            [*MANAGE, *arguments],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, **variables: str) -> RunningProcess:
        """Start ``manage.py`` with these arguments and leave it running."""
        return self.start_command([*MANAGE, *arguments], name=arguments[0], **variables)

    def start_command(self, command: list[str], *, name: str, **variables: str) -> RunningProcess:
        """Start any command in this installation's environment and leave it running."""
        output = self.directory / f"{len(self.processes):02d}-{name}.log"
        process = RunningProcess(name, command, self.env | variables, output)
        self.processes.append(process)
        return process

    def daphne(
        self, port: int, *, program: tuple[str, ...] = ("daphne",), **variables: str
    ) -> RunningProcess:
        """Start one Daphne on ``port`` of loopback and wait until it accepts connections.

        ``program`` is the module to run, with its first arguments, which takes Daphne's after them.
        """
        command = [sys.executable, "-m", *program, "-b", "127.0.0.1", "-p", str(port)]
        process = self.start_command(
            [*command, "medimgr.asgi:application"], name=f"daphne-{port}", **variables
        )
        self.wait_for(lambda: accepts_connections(port) or not process.alive, 20, f"Daphne listens on {port}")
        assert process.alive, process.output()
        return process

    # --- looking -------------------------------------------------------------------------------
    def wait_for(self, condition: Callable[[], T], timeout: float, what: str) -> T:
        """Wait as :func:`wait_for` does; a failure shows what the processes wrote."""
        return wait_for(condition, timeout, what, self.outputs)

    def outputs(self) -> str:
        """Return the last lines of every process, for the message of a failed test."""
        parts = []
        for process in self.processes:
            state = "running" if process.alive else f"ended with {process.returncode}"
            shown = process.output()[-_OUTPUT_SHOWN:]
            parts.append(f"--- {process.name} (pid {process.pid}, {state}) ---\n{shown}")
        return "\n".join(parts)

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """Point this thread's models at the installation's database: the ORM sees what it sees.

        A test without ``django_db`` needs pytest-django's blocker lifted; the ``instance`` fixture does.
        """
        previous = connections[DEFAULT_DB_ALIAS]
        wrapper = _wrapper_for(self.database_url)
        connections[DEFAULT_DB_ALIAS] = wrapper
        try:
            yield
        finally:
            wrapper.close()
            connections[DEFAULT_DB_ALIAS] = previous

    def living(self) -> list[psutil.Process]:
        """Return every live process that carries this data directory, whoever started it."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                environ = process.environ()
                mark = supervisor_mark(environ.get("MEDIMGR_NODE", ""), str(self.data_dir))
                if (
                    environ.get("MEDIMGR_DATA_DIR") == str(self.data_dir)
                    or environ.get("MEDIMGR_SUPERVISED_BY") == mark
                ):
                    found.append(process)
        return found

    # --- the end -------------------------------------------------------------------------------
    def close(self) -> None:
        """End everything that was started, services included, and wait until it is gone."""
        end = time.monotonic() + 15
        while living := self.living():
            for process in living:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            for started in self.processes:
                started.returncode  # noqa: B018  (collects the status, so that no zombie stays)
            if time.monotonic() > end:
                raise AssertionError(f"These processes cannot be ended: {living}")
            time.sleep(_POLL_SECONDS)
        for started in self.processes:
            started.wait(10)


def _wrapper_for(url: str) -> BaseDatabaseWrapper:
    import environ

    configured = {**settings.DATABASES[DEFAULT_DB_ALIAS], **environ.Env.db_url_config(url)}
    backend = load_backend(configured["ENGINE"])
    wrapper: BaseDatabaseWrapper = backend.DatabaseWrapper(configured, DEFAULT_DB_ALIAS)
    return wrapper


def log_in(base_url: str, username: str, password: str) -> httpx.Client:
    """Return an HTTP client that has logged in through the login page, with its CSRF token in a header."""
    client = httpx.Client(base_url=base_url, timeout=10, follow_redirects=True)
    page = client.get("/login/")
    page.raise_for_status()
    form = {
        "username": username,
        "password": password,
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
    }
    client.post("/login/", data=form, headers={"Referer": base_url}).raise_for_status()
    assert "sessionid" in client.cookies, "The login was refused."
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
    return client
