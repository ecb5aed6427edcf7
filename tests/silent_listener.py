"""A port on loopback that neither accepts nor refuses: connects to it hang, as to a machine that is off."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def silent_listener() -> Iterator[int]:
    """Yield a port whose queue of connections is full, so that the kernel drops every further request."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        for _ in range(16):
            client = stack.enter_context(socket.socket())
            client.settimeout(0.1)
            try:
                client.connect(("127.0.0.1", port))
            except TimeoutError:
                yield port
                return
        raise AssertionError("The kernel accepts connections beyond a full queue; this port is not silent.")
