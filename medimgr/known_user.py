"""Django's user of a session, whose name the log knows from the moment it is read."""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware, auser, get_user
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from medimgr.lib.log_context import token_name, user_name


class KnownUser(AuthenticationMiddleware):
    """Gives a request its user, who is read only when somebody asks for him, as Django's own does."""

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
