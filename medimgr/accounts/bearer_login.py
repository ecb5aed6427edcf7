"""The API's door for programs: a token in the header ``Authorization``."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from medimgr.accounts.bearer import Holder, bearer_token, holder_of
from medimgr.lib.log_context import token_name, user_name
from medimgr.lib.request_address import address_of

_HOLDER = "medimgr_holder"


class BearerLogin(HttpBearer):
    """Accepts who came with a good token; no CSRF token is asked for, since no browser sends this by itself.

    A token that is not good is refused, even where a good session came along: whoever sends one means it. A
    token in the query is ignored, as is every other scheme.
    """

    def __call__(self, request: HttpRequest) -> Any:
        """Return the user, None where no token came. Raises BearerRefused. One query, see ``holder_of``."""
        token = bearer_token(request.headers.get("Authorization", ""))
        return None if token is None else self.authenticate(request, token)

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Return the user whom ``token`` belongs to, and have the request be his. Raises BearerRefused."""
        holder = holder_of(token, timezone.now(), address_of(request))
        request.user = holder.user
        setattr(request, _HOLDER, holder)
        user_name.set(holder.user.get_username())
        token_name.set(holder.limits.token)
        return holder.user


def holder_behind(request: HttpRequest) -> Holder | None:
    """Return who came with a token; None where somebody came with a session. No query."""
    holder: Holder | None = getattr(request, _HOLDER, None)
    return holder
