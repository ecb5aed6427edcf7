"""Views that take their time, to see what becomes of requests that do."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path

GRAIN = 0.05


def marked(text: str) -> None:
    """Write down what happened, where the test looks for it."""
    with Path(settings.MEDIMGR_DATA_DIR, "slow-views").open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def seconds(request: HttpRequest) -> float:
    return float(request.GET["seconds"])


async def waiting(request: HttpRequest) -> HttpResponse:
    marked("begun")
    try:
        await asyncio.sleep(seconds(request))
    except asyncio.CancelledError:
        marked("cancelled")
        raise
    return HttpResponse(f"done by {os.getpid()}")


def sleeping(request: HttpRequest) -> HttpResponse:
    marked("begun")
    time.sleep(seconds(request))
    marked("slept")
    return HttpResponse("too late")


async def failing(request: HttpRequest) -> HttpResponse:
    try:
        await asyncio.sleep(seconds(request))
    finally:
        raise RuntimeError("could not even end in order")


async def blocking(request: HttpRequest) -> HttpResponse:
    """Hold the whole event loop, as a bug in an async view would."""
    time.sleep(seconds(request))  # noqa: ASYNC251
    return HttpResponse("the loop is free again")


def growing(request: HttpRequest) -> HttpResponse:
    """Use more memory for good."""
    _kept.append(bytearray(os.urandom(1) * (int(request.GET["mb"]) * 1024 * 1024)))
    return HttpResponse("kept")


async def half(request: HttpRequest) -> StreamingHttpResponse:
    """Begin an answer and never go on."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first piece\n"
        await asyncio.sleep(seconds(request))
        yield b"second piece\n"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


async def trickling(request: HttpRequest) -> StreamingHttpResponse:
    """Take long, piece by piece."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(round(seconds(request) / GRAIN)):
            await asyncio.sleep(GRAIN)
            yield b"piece\n"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


_kept: list[bytearray] = []
urlpatterns = [
    path("slow/waiting/", waiting),
    path("api/slow/waiting/", waiting),
    path("slow/sleeping/", sleeping),
    path("slow/failing/", failing),
    path("slow/blocking/", blocking),
    path("slow/growing/", growing),
    path("slow/half/", half),
    path("slow/trickling/", trickling),
    path("", include("medimgr.urls")),
]
handler404 = "medimgr.error_pages.not_found"
