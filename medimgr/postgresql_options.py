"""How connections to PostgreSQL find out that the other end is gone.

Without it a process waits up to two hours for a server whose machine lost its power, and a server as long
for a client, whose locks it keeps all that time: nobody could publish an event.
Sources: PostgreSQL's documentation, "Parameter Key Words" of libpq and "Connections and Authentication".
"""

from collections.abc import Mapping
from typing import Any

_SERVER_SIDE = {
    # A client that has vanished is found after 10 + 3 * 5 s.
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
    # One that is frozen in the middle of a transaction (stopped, swapped out) loses it, and its locks.
    "idle_in_transaction_session_timeout": 60_000,
}

_OURS: dict[str, Any] = {
    # A server that is away is reported within seconds, instead of holding every request for minutes.
    "connect_timeout": 5,
    # One that has vanished, by the kernel: after 5 + 3 * 2 s of silence, 10 s of no answer to what was sent.
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": " ".join(f"-c {name}={value}" for name, value in _SERVER_SIDE.items()),
}


def postgresql_options(from_url: Mapping[str, Any]) -> dict[str, Any]:
    """Return Django's ``OPTIONS``: those of the URL, and ours where it says nothing.

    A blank one is left out: ``?options=%20`` is for a pooler that takes none. No query; raises nothing.
    """
    return {name: value for name, value in (_OURS | dict(from_url)).items() if str(value).strip()}
