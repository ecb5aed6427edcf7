"""Writes down what somebody who is logged in tried and was not let do."""

import json
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from medimgr.audit.floods import Floodgate, with_left_out
from medimgr.audit.origins import door_of
from medimgr.audit.recording import record_if_possible
from medimgr.lib.request_address import address_of

REFUSED = "not-permitted"
refusals = Floodgate(per_key=20, in_all=120)


def record_refusal(request: HttpRequest, response: HttpResponseBase) -> None:
    """Append an entry for a 403 that somebody known got. One insert; none where there are very many."""
    user = request.user
    if not user.is_authenticated:
        return
    left_out = refusals.admit(user.get_username())
    if left_out is None:
        return
    code, detail = _words(response)
    record_if_possible(
        code,
        who=user.get_username(),
        user=user,
        source=door_of(request, user),
        address=address_of(request),
        outcome="refused",
        target=f"{request.method} {request.path}",
        detail=with_left_out(detail, left_out),
    )


def _words(response: HttpResponseBase) -> tuple[str, str]:
    """Return the code and the words of a refusal: those of its document, where it is one."""
    if not response.get("Content-Type", "").startswith("application/problem+json"):
        return REFUSED, ""
    try:
        document: Any = json.loads(getattr(response, "content", b""))
        return str(document["code"]), str(document["detail"])
    except (ValueError, KeyError, TypeError):
        return REFUSED, ""
