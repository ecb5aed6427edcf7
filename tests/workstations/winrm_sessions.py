"""What tests of the transport share: how a simulated machine is reached, and what a session leaves behind."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.running import wait_for
from tests.workstations.peer import Machine
from workstations.access import Access
from workstations.states import Auth, Launch
from workstations.winrm import Host, connect
from workstations.winrm.patience import nothing

SAMPLE = r"C:\Peer\sample.exe"


def access_of(machine: Machine, **changes: Any) -> Access:
    """Return how ``machine`` is reached, but for ``changes``."""
    fields: dict[str, Any] = {
        "workstation_id": 1,
        "name": machine.name,
        "host": machine.host,
        "port": machine.port,
        "tls": machine.tls is not None,
        "ca_certificates": "",
        "auth": Auth.NTLM,
        "username": machine.username,
        "password": machine.password,
        "ldconsole_path": machine.ldconsole_path,
        "code_page": "",
        "launch": Launch.TASK,
        "desktop_user": machine.username,
        "boot_seconds": 30,
    }
    return Access(**(fields | changes))


@contextlib.contextmanager
def session(
    machine: Machine, *, seconds: float = 30.0, check: Callable[[], None] = nothing, **changes: Any
) -> Iterator[Host]:
    """Yield a session with ``machine``."""
    with connect(access_of(machine, **changes), deadline=time.monotonic() + seconds, check=check) as host:
        yield host


@contextlib.contextmanager
def nothing_left_of(machine: Machine, *, shells: int = 0) -> Iterator[None]:
    """Fail where a thread, a descriptor, a connection, a running command or a shell is left."""
    threads, descriptors = _threads(), _descriptors()
    yield
    wait_for(lambda: machine.open_connections == 0, 10, "the connections are closed")
    wait_for(lambda: not machine.running_commands, 10, "what was run has ended")
    assert len(machine.open_shells) == shells
    wait_for(lambda: _threads() <= threads, 10, "the threads have ended", lambda: str(_threads() - threads))
    wait_for(
        lambda: _descriptors() <= descriptors, 10, f"{descriptors} descriptors are open", lambda: str(_open())
    )


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.name.startswith("peer-accept")}


def _descriptors() -> int:
    return len(_open())


def _open() -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    # SQLite keeps the file of a closed connection open for as long as this process has another one.
    return [name for name in found if ".sqlite3" not in name]
