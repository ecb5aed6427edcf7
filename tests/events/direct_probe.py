"""A Daphne that says whether its sockets can be written to directly: tests start it as a process.

python -m tests.events.direct_probe PORT
"""

from daphne.server import Server  # isort: skip  (chooses the event loop)

import asyncio
import sys
from typing import Any

import django


class Probe:
    """Stands in for a stream."""

    def pause(self) -> None:
        """See Subscription."""

    def resume(self) -> None:
        """See Subscription."""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer with what the sink says, first with bytes on their way and then with none."""
    from medimgr.events.daphne_transport import DaphneSink, framed, request_behind

    request = request_behind(send)
    assert request is not None
    await send({"type": "http.response.start", "status": 200, "headers": []})
    sink = DaphneSink(request, send, Probe())  # type: ignore[arg-type]
    sink.write(b"begun ")
    busy = sink.direct()
    await receive()
    transport = request.channel.transport
    while transport.dataBuffer or transport._tempDataLen:  # noqa: ASYNC110  (Twisted tells nobody)
        await asyncio.sleep(0)
    write = sink.direct()
    answer = (
        f"{'nothing' if busy is None else 'something'} then {'nothing' if write is None else 'something'} "
    )
    if write is not None:
        write(framed(answer.encode()))
    else:
        sink.write(answer.encode())
    sink.finish()


if __name__ == "__main__":
    django.setup()
    Server(application, endpoints=[f"tcp:port={sys.argv[1]}:interface=127.0.0.1"], verbosity=0).run()
