"""Run all of medimgr on this machine with one command."""

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from medimgr.lib.problems import Problem
from medimgr.lib.service_notify import VARIABLE
from medimgr.tallies.process_report import SUPERVISOR
from medimgr.tallies.reporting import reporting
from monitoring.importers.toml import import_services
from monitoring.states import Health, State
from monitoring.supervisor.builtin import declare_builtin, is_web
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.identity import MARKER_DATA_DIR
from monitoring.supervisor.journal import RunJournal
from monitoring.supervisor.marked import find_marked
from monitoring.supervisor.nodelock import AlreadySupervised, NodeLock
from monitoring.supervisor.process import Process
from monitoring.supervisor.proctable import ProcTable
from monitoring.supervisor.spec import ServiceSpec
from monitoring.supervisor.starting import Equipment
from monitoring.supervisor.supervision import CannotGoOn, journal_directory, supervise
from monitoring.supervisor.web_socket import CannotListen, WebSocket, address, reached_by, written


class Command(BaseCommand):
    """``manage.py up``: the supervisor, with the web workers and the operations worker as its services."""

    help = (
        "Run the supervisor of this node, the web server and the operations worker. Ctrl-C stops "
        "everything in order; a second Ctrl-C forces. With --leave-running it ends the supervisor alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--bind",
            type=_address,
            default=("127.0.0.1", 8000),
            metavar="HOST:PORT",
            help="where the web server listens (127.0.0.1:8000)",
        )
        parser.add_argument(
            "--leave-running",
            action="store_true",
            help="on Ctrl-C or SIGTERM leave everything running for the next supervisor",
        )
        parser.add_argument("--workers", type=_workers, default=1, help="how many web workers (1)")
        parser.add_argument(
            "--services", type=Path, metavar="FILE", help="a TOML file to import services from"
        )

    def handle(
        self,
        *args: Any,
        bind: tuple[str, int],
        workers: int,
        services: Path | None,
        leave_running: bool,
        **options: Any,
    ) -> None:
        """Run until a signal comes. Ends with 0, or with 1 where it cannot go on."""
        node: str = settings.MEDIMGR_NODE
        data_dir: Path = settings.MEDIMGR_DATA_DIR
        try:
            with NodeLock(data_dir, node), reporting(SUPERVISOR, node):
                self._run(node, data_dir, bind, workers, services, leave_running)
        except (AlreadySupervised, CannotGoOn, CannotListen) as error:
            raise CommandError(str(error)) from error
        except Problem as problem:
            raise CommandError(problem.detail) from problem

    def _run(
        self,
        node: str,
        data_dir: Path,
        bind: tuple[str, int],
        workers: int,
        services: Path | None,
        leave_running: bool,
    ) -> None:
        host, port = bind
        web = WebSocket(host, port, lambda pid: pid in _own_web_workers(data_dir, node))

        def prepare() -> None:
            declare_builtin(node, host=host, port=port, fd=web.fd, workers=workers)
            if services is not None:
                import_services(services, node=node)

        environment = _environment(written(reached_by(host)))

        def equipment(spec: ServiceSpec) -> Equipment:
            if not spec.builtin:
                return Equipment()
            if is_web(spec.key):
                return Equipment((web.fd,), environment, web.listen)
            return Equipment((), environment)

        try:
            code = supervise(
                node,
                data_dir,
                prepare=prepare,
                equipment=equipment,
                noticed=_Announcer(self, host, port, leave_running),
                say=self._say,
                leave_running=leave_running,
            )
        finally:
            web.close()
        if code:
            raise SystemExit(code)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _Announcer:
    """Says once where the page is, as soon as it is served."""

    def __init__(self, command: Command, host: str, port: int, leave_running: bool) -> None:
        self._command = command
        self._ctrl_c = "ends the supervisor alone" if leave_running else "stops everything"
        self._url = f"http://{written(reached_by(host))}:{port}/"
        self._said = False

    def __call__(self, entry: Entry) -> None:
        if self._said or not (entry.spec.builtin and is_web(entry.key)):
            return
        s = entry.situation
        if s.state is State.RUNNING and s.health is Health.HEALTHY and not s.needs_restart:
            self._said = True
            self._command._say(f"medimgr is up: {self._url}  (Ctrl-C {self._ctrl_c})")


def _own_web_workers(data_dir: Path, node: str) -> set[int]:
    """Return the pids of the web workers that a killed supervisor of this node has left."""
    found = set()
    with contextlib.closing(RunJournal(journal_directory(data_dir, node))) as journal:
        written = journal.load()
    for key, run in written.items():
        identity = run.identity()
        if is_web(key) and identity is not None and (process := Process.adopt(identity)) is not None:
            found.add(identity.pid)
            process.close()
    # And those that it could not write down.
    marked = find_marked(ProcTable.read(), node, str(data_dir)).runs.values()
    return found | {one.pid for one in marked if is_web(one.service)}


def _environment(told_host: str) -> dict[str, str]:
    """Return what medimgr's own processes inherit: all of it, they are this program.

    The address that people are told has to be accepted as a host name.
    """
    own = ("MEDIMGR_RUN", VARIABLE)  # what this process is told by, its children are not to answer
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    hosts = list(settings.ALLOWED_HOSTS)
    environment[MARKER_DATA_DIR] = str(settings.MEDIMGR_DATA_DIR)  # it may have been given in another form
    if "*" not in hosts and told_host not in hosts:
        environment["DJANGO_ALLOWED_HOSTS"] = ",".join([*hosts, told_host])
    return environment


def _address(text: str) -> tuple[str, int]:
    try:
        return address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64.")
    return int(text)
