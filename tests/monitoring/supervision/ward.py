"""A supervisor under test: a real ``manage.py supervise`` on an installation of its own."""

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from django.db import transaction

from monitoring.actions import Verb, request_action
from monitoring.models import Dependency, Node, Run, Service, ServiceStatus, Transition
from monitoring.supervisor.journal import JournalEntry, RunJournal
from operations.models import Operation
from operations.requester import Requester
from tests.factories import make_service
from tests.running import Instance, RunningProcess

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
TESTER = Requester(name="tester", source="command")
_numbers = itertools.count()


def program(name: str, *arguments: str) -> list[str]:
    """Return the command that runs one of the small test programs, quickly."""
    return [sys.executable, "-S", "-E", str(PROGRAMS / f"{name}.py"), *arguments]


def sleeper() -> list[str]:
    """Return a command that starts in a millisecond and does nothing."""
    return ["sleep", "600"]


class Ward:
    """Services are declared and looked at through the ORM; what happens to them is the supervisor's."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.supervisor: RunningProcess | None = None

    # --- the supervisor ---------------------------------------------------------------------------
    def start(self, *arguments: str, **variables: str) -> RunningProcess:
        """Start ``manage.py supervise`` and wait until it has the node."""
        self.supervisor = self.instance.start(*(arguments or ("supervise",)), **variables)
        pid = self.supervisor.pid
        self.wait(
            lambda: Node.objects.filter(supervisor_pid=pid).exists() or not self.running().alive,
            "the supervisor has the node",
        )
        assert self.supervisor.alive, self.supervisor.output()
        return self.supervisor

    def running(self) -> RunningProcess:
        assert self.supervisor is not None
        return self.supervisor

    def kill_supervisor(self) -> None:
        """Kill -9, as a crash would."""
        self.running().kill()

    def wait(self, condition: Any, what: str, timeout: float = 15.0) -> Any:
        return self.instance.wait_for(condition, timeout, what)

    # --- services ---------------------------------------------------------------------------------
    def declare(self, key: str = "", needs: tuple[Service, ...] = (), **fields: Any) -> Service:
        """Declare a service that sleeps unless ``fields`` say otherwise."""
        # One announcement after the other: dependencies come before the supervisor may start it.
        autostart = fields.pop("autostart", True)
        values = {"command": sleeper(), "start_seconds": 0.05, "stop_timeout_seconds": 5.0, **fields}
        with transaction.atomic():  # as forms and imports do: nobody sees it without what it needs
            service = make_service(
                key or f"service-{next(_numbers)}", autostart=autostart and not needs, **values
            )
            for needed in needs:
                Dependency.objects.create(service=service, needs=needed)
        if needs and autostart:
            service.autostart = True
            service.save()
            self.ask(service, "start")
        return service

    def status(self, service: Service) -> ServiceStatus:
        return ServiceStatus.objects.get(service_id=service.pk)

    def reaches(self, service: Service, state: str, timeout: float = 15.0, **facts: Any) -> ServiceStatus:
        """Wait until the service is in ``state`` and every fact holds; return its status."""
        found: list[ServiceStatus] = []

        def there() -> bool:
            status = self.status(service)
            found[:] = [status]
            return status.state == state and all(getattr(status, n) == v for n, v in facts.items())

        try:
            self.wait(there, f"{service.key} is {state} {facts or ''}", timeout)
        except AssertionError as error:
            status = found[0]
            raise AssertionError(
                f"{error}\n{service.key} is {status.state} ({status.reason}: {status.detail}), "
                f"pid {status.pid}\n" + "\n".join(self.history(service))
            ) from None
        return found[0]

    def comes_back(self, service: Service, old_pid: int | None, timeout: float = 15.0) -> ServiceStatus:
        """Wait until the service is RUNNING with another pid than ``old_pid``."""
        self.wait(
            lambda: (
                self.status(service).state == "RUNNING" and self.status(service).pid not in (None, old_pid)
            ),
            f"{service.key} comes back",
            timeout,
        )
        return self.status(service)

    def kill(self, service: Service) -> int:
        """Kill -9 the service's main process; return the pid that it had."""
        pid = self.status(service).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def ask(self, service: Service, verb: Verb, **how: Any) -> Operation:
        return request_action(service, verb, TESTER, **how)

    def act(self, service: Service, verb: Verb, timeout: float = 15.0, **how: Any) -> Operation:
        """Ask for ``verb`` and return the operation once it has ended."""
        return self.ended(self.ask(service, verb, **how), timeout)

    def ended(self, operation: Operation, timeout: float = 15.0) -> Operation:
        self.wait(
            lambda: Operation.objects.finished().filter(pk=operation.pk).exists(),
            f"{operation} ends",
            timeout,
        )
        return Operation.objects.get(pk=operation.pk)

    def history(self, service: Service) -> list[str]:
        rows = Transition.objects.filter(service_id=service.pk).order_by("id")
        return [f"{row.from_state}>{row.to_state} {row.reason}" for row in rows]

    def runs(self, service: Service) -> list[Run]:
        return list(Run.objects.filter(service_key=service.key).order_by("started_at"))

    def processes(self, service: Service) -> list[psutil.Process]:
        """Return every live process that carries the service's marker."""
        found = []
        for process in self.instance.living():
            try:
                if process.environ().get("MEDIMGR_SERVICE") == service.key:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def log(self, service: Service) -> str:
        path = self.instance.data_dir / "logs" / f"{service.key}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    # --- the journal ------------------------------------------------------------------------------
    @contextlib.contextmanager
    def run_journal(self) -> Iterator[RunJournal]:
        directory = self.instance.data_dir / "runs" / self.instance.env["MEDIMGR_NODE"]
        with contextlib.closing(RunJournal(directory)) as journal:
            yield journal

    def journal(self, service: Service) -> JournalEntry | None:
        with self.run_journal() as journal:
            return journal.load().get(service.key)

    def edit_journal(self, service: Service, **changes: Any) -> None:
        with self.run_journal() as journal:
            journal.write(replace(journal.load()[service.key], **changes))

    def strike_from_journal(self, service: Service) -> None:
        with self.run_journal() as journal:
            journal.remove(service.key)
