"""django-ninja with what every answer of ours has: one shape of errors, tags, addresses, and waiting."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from medimgr import api_waiting
from medimgr.api_description import complete
from medimgr.api_problems import not_allowed
from medimgr.lib.conditional import conditional


class ProblemAPI(NinjaAPI):
    """A NinjaAPI whose answers all keep the same promises, and whose description names them."""

    def __init__(self, **options: Any) -> None:
        """Take what NinjaAPI takes."""
        super().__init__(**options)
        self._descriptions: dict[str, OpenAPISchema] = {}

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        """Return the URLs for ``path("api/", ...)``."""
        patterns, app, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _door(pattern.callback)
        return patterns, app, namespace

    def create_response(
        self,
        request: HttpRequest,
        data: Any,
        *,
        status: int | None = None,
        temporal_response: HttpResponse | None = None,
    ) -> HttpResponse:
        """Return the answer, with the address of what it lets be followed."""
        response = super().create_response(request, data, status=status, temporal_response=temporal_response)
        match = request.resolver_match
        api_waiting.mark(response, data, (match.url_name if match else None) or "")
        return response

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the description, with what every path of a kind takes and answers."""
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        # It changes with the code alone, and takes long to make.
        if prefix not in self._descriptions:
            self._descriptions[prefix] = complete(super().get_openapi_schema(path_prefix=prefix))
        return self._descriptions[prefix]


def _door(view: Callable[..., HttpResponseBase]) -> Callable[..., Any]:
    """Return ``view``, which ninja made, as the async view that Django is given."""

    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if response.status_code == 405:  # ninja answers it itself, past all handlers
            return not_allowed(request, response["Allow"])
        return response if api_waiting.is_to_wait(request, response) else conditional(request, response)

    in_its_thread = sync_to_async(answered)

    @wraps(view)
    async def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = await in_its_thread(request, *args, **kwargs)
        if not api_waiting.is_to_wait(request, response):
            return response
        return conditional(request, await api_waiting.waited(request, response))

    return door
