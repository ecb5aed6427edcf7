"""Many simulated workstations in one process: one thread accepts for all, each connection has its own."""

import contextlib
import selectors
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.workstations.peer.connection import Connection, reset
from tests.workstations.peer.instance import Instance
from tests.workstations.peer.machine import Machine

_QUIET_SECONDS = 600


class Peer:
    """A set of simulated machines; ``with Peer() as peer`` ends them all, and all that they have started."""

    def __init__(self, *, in_process: bool = False, directory: Path | None = None) -> None:
        """``in_process``: ldconsole runs as a function, for load; else as a process, as on Windows."""
        self._in_process = in_process
        self._own = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="peer-"))
        self._selector = selectors.DefaultSelector()
        self._wake, waker = socket.socketpair()
        self._waker = waker
        self._lock = threading.Lock()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._closing = False
        self.machines: list[Machine] = []
        self._listeners: dict[str, socket.socket] = {}
        self._thread = threading.Thread(target=self._accept_all, name="peer-accept", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def machine(
        self,
        name: str = "",
        *,
        instances: Sequence[str | Instance] = (),
        port: int = 0,
        **settings: Any,
    ) -> Machine:
        """Start a machine; ``settings`` are Machine's and Quirks' fields. Its ``port`` listens at once."""
        name = name or f"pc-{len(self.machines) + 1}"
        settings.setdefault("in_process", self._in_process)
        machine = Machine(name, self._directory / name, instances=instances, **settings)
        self.machines.append(machine)
        self.open_port(machine, port)
        return machine

    def open_port(self, machine: Machine, port: int = 0) -> None:
        """Listen for a machine: at its port of before, or any."""
        listener = socket.create_server((machine.host, port or machine.port), backlog=64)
        listener.setblocking(False)
        machine.port = listener.getsockname()[1]
        with self._lock:
            self._listeners[machine.name] = listener
            self._selector.register(listener, selectors.EVENT_READ, machine)
        self._waker.send(b"x")

    def listens(self, machine: Machine) -> bool:
        """Return whether a machine's port is open."""
        return machine.name in self._listeners

    def close_port(self, machine: Machine) -> None:
        """Stop listening and cut off who is connected: the machine is up, and nothing listens on its port."""
        with self._lock:
            listener = self._listeners.pop(machine.name)
            self._selector.unregister(listener)
        listener.close()
        for connection in list(machine.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything: ports, connections, commands, directories. A second time, nothing happens."""
        if self._closing:
            return
        self._closing = True
        self._waker.send(b"x")
        self._thread.join(10)
        for machine in self.machines:
            machine.closing.set()
            if machine.name in self._listeners:
                self.close_port(machine)
            machine.winrs.shells.join()
        for machine in self.machines:
            for thread in list(machine.threads):
                thread.join(10)
        self._selector.close()
        self._wake.close()
        self._waker.close()
        if self._own:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _accept_all(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.fileobj is self._wake:
                    self._wake.recv(64)
                    continue
                listener, machine = key.fileobj, key.data
                assert isinstance(listener, socket.socket)
                with contextlib.suppress(OSError):
                    connection, address = listener.accept()
                    self._begin(connection, address, machine)

    def _begin(self, connection: socket.socket, address: Any, machine: Machine) -> None:
        if machine.faults.strikes("rst_at_accept"):
            reset(connection)
            return
        machine.connections.add(connection)
        thread = threading.Thread(
            target=_serve, args=(connection, address, machine), name=f"peer-{machine.name}", daemon=True
        )
        machine.threads.add(thread)
        thread.start()


def _serve(connection: socket.socket, address: Any, machine: Machine) -> None:
    try:
        connection.settimeout(_QUIET_SECONDS)
        if machine.tls is not None:
            machine.connections.discard(connection)
            connection = machine.tls.wrap_socket(connection, server_side=True)
            machine.connections.add(connection)
        Connection(connection, address, machine)
    except (OSError, ssl.SSLError):
        pass
    finally:
        with contextlib.suppress(OSError):
            connection.close()
        machine.connections.discard(connection)
        machine.threads.discard(threading.current_thread())
