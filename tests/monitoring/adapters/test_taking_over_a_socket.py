"""A listening socket is taken over from the process that has it, with what waits in it."""

import socket
import subprocess
import sys

from monitoring.supervisor.socket_takeover import take_listening_socket
from tests.running import free_port, wait_for

LISTENER = """
import socket, sys
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("127.0.0.1", int(sys.argv[1])))
listening.listen(5)
print("listens", flush=True)
sys.stdin.read()
"""


def test_what_waits_in_a_socket_outlives_the_process_that_it_was_taken_from() -> None:
    port = free_port()
    command = [sys.executable, "-S", "-E", "-c", LISTENER, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"listens\n"
        assert take_listening_socket(owner.pid, "127.0.0.2", port) is None
        assert take_listening_socket(owner.pid, "127.0.0.1", free_port()) is None
        taken = take_listening_socket(owner.pid, "127.0.0.1", port)
        assert taken is not None
        with taken, socket.create_connection(("127.0.0.1", port)) as waiting:
            owner.kill()
            wait_for(lambda: owner.poll() is not None, 5, "its owner is gone")
            waiting.sendall(b"still here?")
            accepted, _ = taken.accept()
            with accepted:
                assert accepted.recv(100) == b"still here?"


def test_nothing_is_taken_from_a_process_that_is_gone() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait(5)
    assert take_listening_socket(gone.pid, "127.0.0.1", 8000) is None
