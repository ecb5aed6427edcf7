"""The ASGI application that Daphne serves.

Django gives every request a thread of its own and keeps it, with its database connection, until the
response ends. A stream ends after half an hour: a thousand of them would be a thousand threads. So
requests for streams share a few threads, and a stream holds none while it is open.
"""

import asyncio
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "medimgr.settings")
django.setup(set_prefix=False)

from medimgr.client_line import ClientLine  # noqa: E402
from medimgr.events.daphne_transport import Send  # noqa: E402  (models need the apps to be loaded)
from medimgr.events.response import EventStreamResponse  # noqa: E402
from medimgr.events.subscription import End, Subscription  # noqa: E402
from medimgr.events.views import STREAM_KEY  # noqa: E402
from medimgr.request_deadline import RequestDeadline  # noqa: E402

STREAM_THREADS = 4
STREAM_PREFIX = "/events/"
GOODBYE_SECONDS = 3.0
"""How long a cancelled stream may take to say bye and tidy up."""


class StreamHandler(ASGIHandler):
    """Django's handler, with a way of its own for streams."""

    def __init__(self) -> None:
        """Load the middleware and prepare the shared threads, which start with their first use."""
        super().__init__()
        # asgiref wants an executor to run one call at a time on one thread.
        threads = [ThreadPoolExecutor(1, thread_name_prefix="stream-request") for _ in range(STREAM_THREADS)]
        self._threads = itertools.cycle(threads)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Serve one request."""
        root = scope.get("root_path", "")
        if scope["type"] != "http" or not scope["path"].removeprefix(root).startswith(STREAM_PREFIX):
            await super().__call__(scope, receive, send)
            return
        # In a task of its own: a server that stops cancels the application, and Django's handler would
        # leave its own tasks behind. This way the stream ends, and the handler with it, as always.
        line = ClientLine(receive)
        work = asyncio.create_task(self._serve(scope, line, send))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            stream: Subscription | None = scope.get(STREAM_KEY)
            if stream is None or not stream.is_open:
                line.cut()
            else:
                stream.end(End.SHUTDOWN)
            await asyncio.wait([work], timeout=GOODBYE_SECONDS)
            work.cancel()
            raise

    async def _serve(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        try:
            async with ThreadSensitiveContext(executor=next(self._threads)):
                await self.handle(scope, receive, send)
        finally:
            if STREAM_KEY in scope:
                scope[STREAM_KEY].lose()

    async def send_response(self, response: Any, send: Send) -> None:
        """Send a response; a stream on Daphne is handed to the broadcaster instead of being iterated."""
        if not isinstance(response, EventStreamResponse):
            await super().send_response(response, send)
            return
        headers = [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]
        headers.extend(
            (b"Set-Cookie", cookie.output(header="").encode("ascii").strip())
            for cookie in response.cookies.values()
        )
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await response.serve(send)


application = RequestDeadline(
    StreamHandler(), settings.MEDIMGR_REQUEST_DEADLINE_SECONDS, streams=STREAM_PREFIX
)
