"""Who holds a port is found and named."""

import socket
import sys
from functools import partial

from monitoring.supervisor.ports import listener_on
from tests.monitoring.adapters.conftest import Spawner
from tests.running import free_port, wait_for

LISTEN = """
import socket, sys, time
listening = socket.create_server((sys.argv[2], int(sys.argv[1])), family=socket.AddressFamily[sys.argv[3]])
time.sleep(60)
"""


def test_a_free_port_has_no_listener() -> None:
    assert listener_on(free_port()) is None


def test_a_port_that_is_bound_but_not_listened_on_has_none() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert listener_on(bound.getsockname()[1]) is None


def test_an_outgoing_connection_is_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        assert listener_on(client.getsockname()[1]) is None


def test_another_process_is_named(spawner: Spawner) -> None:
    for address, family in [("127.0.0.1", "AF_INET"), ("", "AF_INET"), ("::1", "AF_INET6")]:
        port = free_port()
        process = spawner.spawn(sys.executable, "-I", "-S", "-c", LISTEN, str(port), address, family)
        found = wait_for(partial(listener_on, port), 5, f"it listens on {address}")
        assert found is not None
        assert found.pid == process.identity.pid
        assert found.name.startswith("python")


def test_a_socket_held_by_a_child_only_is_found(spawner: Spawner) -> None:
    port = free_port()
    spawner.shell(f"({sys.executable} -I -S -c '{LISTEN}' {port} 127.0.0.1 AF_INET); :")
    found = wait_for(lambda: listener_on(port), 5, "it listens")
    assert found is not None
    assert found.pid not in (None, spawner._processes[0].identity.pid)
