"""Middleware that leaves a mark on every answer."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware


@async_only_middleware
def marking(
    get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], Awaitable[HttpResponseBase]]:
    """Make the middleware."""

    async def marked(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        response["X-Marked"] = "yes"
        return response

    return marked
