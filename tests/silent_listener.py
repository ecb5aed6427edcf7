"""A port on loopback that neither accepts nor refuses: connects to it hang, as to a machine that is off."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def silent_listener(address: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port whose queue of connections is full, so that the kernel drops every further request.

    With ``0.0.0.0`` it is silent at each address of loopback.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, 0))
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
