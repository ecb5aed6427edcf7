"""What the tests of the polling share: workstations at real ports, and what was written of them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

from medimgr.events.models import Event
from workstations.models import Workstation

_WRITES = ("INSERT", "UPDATE", "DELETE", "SELECT PG_NOTIFY", "SELECT PG_ADVISORY")


def declared(name: str, port: int, *, host: str = "127.0.0.1", **fields: object) -> Workstation:
    """Return a new workstation."""
    return Workstation.objects.create(name=name, host=host, port=port, **fields)


@contextmanager
def answering(address: str = "127.0.0.1") -> Iterator[tuple[int, Callable[[], int]]]:
    """Yield a port that accepts connections, and a function that counts them."""
    count = 0
    with socket.create_server((address, 0), backlog=512) as listener:

        def accept() -> None:
            nonlocal count
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                count += 1
                peer.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], lambda: count
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def events_after(last: int, topic: str = "workstation") -> list[tuple[str, str]]:
    """Return key and status (of emulators: state) of each event of ``topic`` after the event ``last``."""
    word = "status" if topic == "workstation" else "state"
    rows = Event.objects.filter(topic=topic, id__gt=last).order_by("id")
    return [(event.key, event.data.get(word, "")) for event in rows]


@contextmanager
def statements() -> Iterator[tuple[list[str], list[str]]]:
    """Yield two lists that hold, after the block, all statements of this thread and those that write."""
    every: list[str] = []
    writes: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield every, writes
    every += [query["sql"] for query in captured.captured_queries]
    writes += [sql for sql in every if sql.upper().startswith(_WRITES)]
