"""One simulated workstation, as tests hold it: its port, its user, its troubles, its emulators."""

import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.workstations.peer.authentication import Accounts
from tests.workstations.peer.certificates import Certificate, authority
from tests.workstations.peer.faults import Faults, Quotas
from tests.workstations.peer.instance import Instance
from tests.workstations.peer.machine_directory import MachineDirectory, State, Task
from tests.workstations.peer.shells import Command
from tests.workstations.peer.winrs import WinRS

if TYPE_CHECKING:
    from workstations.access import Access
    from workstations.models import Workstation


class Machine:
    """A Windows machine with a WinRM listener on a port of loopback. Safe to use from several threads."""

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        instances: Sequence[str | Instance] = (),
        username: str = "operator",
        password: str = "",
        in_process: bool = False,
        certificate: Certificate | None = None,
        **quirks: Any,
    ) -> None:
        self.name = name
        self.username = username
        self.password = password or secrets.token_urlsafe(12)
        self.tls = certificate.context if certificate else None
        self.channel_bindings = certificate.bindings if certificate else None
        self.faults = Faults()
        self.quotas = Quotas()
        self.accepts_negotiate = True
        """False: it offers Basic alone, as a badly set up machine does."""
        self.requests = 0
        """How many HTTP requests have come."""
        self.failed_logins = 0
        self.actions: list[str] = []
        """The WSMan actions that were asked for, in order: Create, Command, Receive ..."""
        self.connections: set[socket.socket] = set()
        self.threads: set[threading.Thread] = set()
        self.closing = threading.Event()
        self.host = "127.0.0.1"
        self.port = 0
        self._directory = MachineDirectory(path)
        state = State(name)
        state.quirks = replace(state.quirks, **quirks)
        for instance in instances:
            state.put(Instance(instance) if isinstance(instance, str) else replace(instance))
        self._directory.create(state)
        self.ldconsole_path = state.ldconsole
        self.accounts = Accounts(path / "users")
        self.accounts.put(username, self.password)
        self.winrs = WinRS(self._directory, self.faults, self.quotas, in_process=in_process)

    # --- what it is ----------------------------------------------------------------------------
    @contextmanager
    def change(self) -> Iterator[State]:
        """Yield its state, to be changed as somebody at the machine would: behind medimgr's back."""
        with self._directory.locked() as state:
            yield state

    def set(self, **quirks: Any) -> None:
        """Change quirks: ``machine.set(columns=7, encoding="utf-8")``."""
        with self.change() as state:
            state.quirks = replace(state.quirks, **quirks)

    def instances(self) -> list[Instance]:
        """Return its instances as they truly are now, by index."""
        with self.change() as state:
            return state.instances

    def instance(self, title: str) -> Instance:
        """Return the instance with this title. Raises LookupError where there is none."""
        found = [one for one in self.instances() if one.title == title]
        if not found:
            raise LookupError(title)
        return found[0]

    def tasks(self) -> dict[str, Task]:
        """Return the scheduled tasks that are left on it."""
        with self.change() as state:
            return state.tasks

    def calls(self) -> list[list[str]]:
        """Return the arguments of every run of ldconsole that was to change something."""
        with self.change() as state:
            return state.calls

    def change_password(self, password: str) -> None:
        """Take another password; who is logged in has to log in again."""
        self.password = password
        self.accounts.put(self.username, password)
        self.accounts.epoch += 1

    def access(self, **changed: Any) -> "Access":
        """Return how medimgr reaches it, with other values where they are given."""
        from workstations.access import Access
        from workstations.states import Auth, Launch

        fields: dict[str, Any] = {
            "workstation_id": 1,
            **self.fields(),
            "auth": Auth.NTLM,
            "password": self.password,
            "code_page": "",
            "launch": Launch.TASK,
            "desktop_user": self.username,
            "boot_seconds": 20,
        }
        return Access(**fields | changed)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a Workstation that declare it, but for the password."""
        return {
            "name": self.name,
            "host": self.host,
            "port": self.port,
            "tls": self.tls is not None,
            "ca_certificates": authority() if self.tls else "",
            "username": self.username,
            "ldconsole_path": self.ldconsole_path,
        }

    def declare(self, **fields: Any) -> "Workstation":
        """Store it as a workstation with its password, and with other ``fields`` where they are given."""
        from workstations.declaring import declare

        return declare(self.fields() | fields, self.password)

    # --- what goes on --------------------------------------------------------------------------
    @property
    def open_shells(self) -> list[str]:
        """Return the ids of the shells that are open."""
        return self.winrs.shells.ids()

    @property
    def commands(self) -> list[Command]:
        """Return every command that was begun, ended ones too."""
        return self.winrs.history

    @property
    def running_commands(self) -> list[Command]:
        """Return the commands that have not ended."""
        return self.winrs.shells.running()

    @property
    def open_connections(self) -> int:
        """Return how many clients are connected."""
        return len(self.connections)

    def expire_shells(self) -> None:
        """Let every shell be gone, as after its idle time."""
        self.winrs.shells.close_all()
