"""Django's user of a session, whose name the log knows, and whose refusals are written down."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware, auser, get_user
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from medimgr.audit.refusals import record_refusal
from medimgr.lib.log_context import token_name, user_name

FORBIDDEN = 403


class KnownUser(AuthenticationMiddleware):
    """Gives a request its user, who is read only when somebody asks for him, as Django's own does."""

    def __call__(self, request: HttpRequest) -> Any:
        """Answer; where that is a refusal, the audit has it."""
        response = super().__call__(request)
        if isinstance(response, HttpResponseBase) and response.status_code == FORBIDDEN:
            record_refusal(request, response)
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer; where that is a refusal, the audit has it."""
        response = await super().__acall__(request)
        if response.status_code == FORBIDDEN:
            await sync_to_async(record_refusal, thread_sensitive=True)(request, response)
        return response

    def process_request(self, request: HttpRequest) -> None:
        """Set ``request.user`` and ``request.auser``. No query until one of them is used."""
        super().process_request(request)
        user_name.set("")
        token_name.set("")

        def read() -> Any:
            return _noted(get_user(request))

        async def read_async() -> Any:
            return _noted(await auser(request))

        request.user = SimpleLazyObject(read)  # type: ignore[assignment]
        request.auser = read_async


def _noted(user: Any) -> Any:
    if user.is_authenticated:
        user_name.set(user.get_username())
    return user
