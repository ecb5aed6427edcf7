"""sse-starlette on uvicorn: a queue for each stream. Runs in an environment of its own."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette.sse import EventSourceResponse  # type: ignore[import-not-found]
from starlette.applications import Starlette  # type: ignore[import-not-found]
from starlette.requests import Request  # type: ignore[import-not-found]
from starlette.responses import PlainTextResponse  # type: ignore[import-not-found]
from starlette.routing import Route  # type: ignore[import-not-found]

queues: set[asyncio.Queue[str]] = set()


async def stream(_: Request) -> EventSourceResponse:
    """Open a stream."""
    return EventSourceResponse(_messages())


async def _messages() -> AsyncIterator[dict[str, str]]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    queues.add(queue)
    try:
        yield {"event": "hello", "data": "{}"}
        while True:
            yield {"event": "message", "data": await queue.get()}
    finally:
        queues.discard(queue)


async def publish(request: Request) -> PlainTextResponse:
    """Send the body to every stream."""
    text = (await request.body()).decode()
    for queue in queues:
        queue.put_nowait(text)
    return PlainTextResponse("ok")


application = Starlette(
    routes=[Route("/events/", stream), Route("/publish/", publish, methods=["POST"])],
)
