"""The ASGI application that Daphne serves.

Django gives every request a thread of its own and keeps it, with its database connection, until the
response ends. A stream ends after half an hour: a thousand of them would be a thousand threads. So
requests for streams share a few threads, and a stream holds none while it is open. So do requests that ask
to wait for the end of what they start (:mod:`medimgr.api_waiting`).
"""

import asyncio
import io
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import response_for_exception

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "medimgr.settings")
try:
    django.setup(set_prefix=False)
except ImproperlyConfigured as error:
    # The message says what is wrong and what to do; a traceback would bury it.
    raise SystemExit(f"medimgr cannot start: {error}") from None

from medimgr.api_waiting import LISTENS_KEY, prefers_to_wait
from medimgr.client_line import ClientLine
from medimgr.events.daphne_transport import Send, request_behind
from medimgr.events.response import EventStreamResponse, release_database
from medimgr.events.subscription import End, Subscription
from medimgr.events.views import STREAM_KEY
from medimgr.events.views import stream as stream_view
from medimgr.front_door import FrontDoor
from medimgr.lib.log_context import note_who, request_id, request_notes
from medimgr.lib.protective_headers import protect
from medimgr.request_deadline import RequestDeadline
from medimgr.request_log import REQUEST_ID, RequestLog

STREAM_THREADS = 4
STREAM_PREFIX = "/events/"
GOODBYE_SECONDS = 3.0
"""How long a cancelled stream may take to say bye and tidy up."""
PASSED_OVER = frozenset(
    {
        "django.middleware.security.SecurityMiddleware",
        "servestatic.middleware.ServeStaticMiddleware",
        "csp.middleware.CSPMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "medimgr.known_user.KnownUser",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "medimgr.error_pages.SpokenRefusals",
    }
)
"""Middleware that a stream does without: what it would do there, the view or this module does."""


Threads = Iterator[ThreadPoolExecutor]


def _shared_threads(name: str) -> Threads:
    """Return, in turn and for ever, a few executors. asgiref wants each to run one call at a time."""
    return itertools.cycle([ThreadPoolExecutor(1, thread_name_prefix=name) for _ in range(STREAM_THREADS)])


class StreamHandler(ASGIHandler):
    """Django's handler, with a way of its own for streams.

    On Daphne a stream's request goes to its view directly, past the middleware, which takes most of the time
    that a request takes: after a restart a thousand pages ask for their streams at once. Where somebody has
    added middleware of which nobody here can know, streams go through all of it, as other requests do.
    """

    def __init__(self) -> None:
        """Load the middleware and prepare the shared threads, which start with their first use."""
        super().__init__()
        self._straight = PASSED_OVER.issuperset(settings.MIDDLEWARE)
        self._threads = _shared_threads("stream-request")
        self._waiting_threads = _shared_threads("waiting-request")

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # 403; Django would only raise
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        if scope["type"] == "http" and prefers_to_wait(path, scope["headers"]):
            scope[LISTENS_KEY] = True
            await self._answer(scope, receive, send, self._waiting_threads)
            return
        if not path.startswith(STREAM_PREFIX):
            await super().__call__(scope, receive, send)
            return
        try:
            if path == STREAM_PREFIX and self._goes_straight(scope) and request_behind(send):
                await self._open(scope, send)
            else:
                await self._answer(scope, receive, send, self._threads)
            stream: Subscription | None = scope.get(STREAM_KEY)
            if stream is not None:
                await _hold(stream, receive)
        finally:
            if STREAM_KEY in scope:
                scope[STREAM_KEY].lose()

    def _goes_straight(self, scope: dict[str, Any]) -> bool:
        is_redirected = settings.SECURE_SSL_REDIRECT and scope.get("scheme") != "https"
        return self._straight and not is_redirected and bool(scope["method"] == "GET")

    async def _open(self, scope: dict[str, Any], send: Send) -> None:
        """Have the view alone answer a request for a stream."""
        request, refusal = self.create_request(scope, io.BytesIO())
        response: Any = refusal
        if request is not None:
            try:
                request.get_host()  # as CommonMiddleware asks
                response = await stream_view(request)
            except Exception as error:
                response = await sync_to_async(response_for_exception)(request, error)
        if not response.streaming:
            response["Content-Length"] = str(len(response.content))
        protect(response, https=scope.get("scheme") == "https")
        await self.send_response(response, send)

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Send, threads: Threads) -> None:
        """Have Django answer. Of a stream that is the beginning, unless Django has to iterate it."""
        # In a task of its own: a server that stops cancels the application, and Django's handler would
        # leave its own tasks behind. This way the stream ends, and the handler with it, as always.
        line = ClientLine(receive)
        work = asyncio.create_task(self._handle(scope, line, send, threads))
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

    async def _handle(self, scope: dict[str, Any], receive: Any, send: Send, threads: Threads) -> None:
        async with ThreadSensitiveContext(executor=next(threads)):
            await self.handle(scope, receive, send)
            await sync_to_async(release_database)()

    async def get_response_async(self, request: Any) -> Any:
        """Return Django's answer, and let the log know who has asked."""
        response = await super().get_response_async(request)
        note_who()
        return response

    async def send_response(self, response: Any, send: Send) -> None:
        """Send a response; a stream on Daphne is handed to the broadcaster instead of being iterated."""
        # Here, since nothing may stand between a stream and Daphne; RequestLog does it for other answers.
        if request_id.get():
            response[REQUEST_ID] = request_id.get()
        notes = request_notes.get()
        if notes is not None:
            notes.status = response.status_code
        protect(response, https=False)  # HSTS is there already, or does not belong there
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


async def _hold(stream: Subscription, receive: Any) -> None:
    """Return when a stream that the broadcaster serves has ended, from whichever side."""
    try:
        while stream.is_open:
            if (await receive())["type"] == "http.disconnect":
                return
    except asyncio.CancelledError:
        stream.end(End.SHUTDOWN)
        raise


deadline = RequestDeadline(StreamHandler(), settings.MEDIMGR_REQUEST_DEADLINE_SECONDS, streams=STREAM_PREFIX)
front_door = FrontDoor(
    deadline,
    largest=settings.MEDIMGR_REQUEST_MAX_BODY_MB * 1_048_576,
    proxies=settings.MEDIMGR_TRUSTED_PROXIES,
    streams=STREAM_PREFIX,
)
application = RequestLog(front_door, streams=STREAM_PREFIX)
