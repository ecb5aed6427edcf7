"""How many pages of a browser a stream feeds: told by the page that has the stream."""

import logging

from asgiref.sync import sync_to_async
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from medimgr.events.log import publish
from medimgr.events.models import Connection

logger = logging.getLogger(__name__)

MOST_PAGES = 100
_LONGEST_TOKEN = 64
_REFUSALS = (SuspiciousOperation, BadRequest, MultiPartParserError, OSError, ValueError, LookupError)
"""What Django raises for a body that is no form, too large, or broken off."""


@csrf_exempt
@require_POST
async def pages(request: HttpRequest) -> HttpResponse:
    """Store ``pages`` (1 to 100) for the stream with this ``connection_id``. Always 204, whatever comes.

    The unguessable ``connection_id`` is the right to do so, as for a goodbye; no session is needed. Some
    three queries where the number has changed, one where it has not.
    """
    told = await sync_to_async(_told)(request)
    if told is not None:
        try:
            await sync_to_async(set_pages)(*told)
        except (DatabaseError, InterfaceError) as error:
            logger.info("The pages of a stream could not be noted: %s", error)
    return HttpResponse(status=204)


def _told(request: HttpRequest) -> tuple[str, int] | None:
    """Return connection id and number, None where either makes no sense."""
    try:
        token = request.POST.get("connection_id", "")
        number = request.POST.get("pages", "")
    except _REFUSALS as error:
        logger.info("The pages of a stream could not be read: %r", error)
        return None
    if not (0 < len(token) <= _LONGEST_TOKEN and token.isascii() and token.isprintable()):
        return None
    if not (number.isascii() and number.isdecimal() and len(number) <= 3 and 1 <= int(number) <= MOST_PAGES):
        return None
    return token, int(number)


@transaction.atomic
def set_pages(token: str, number: int) -> bool:
    """Store the number and publish it as a ``connection`` event; return whether it was another one.

    One query, and two more for another number. A stream that has ended changes nothing.
    """
    changed = Connection.objects.filter(token=token).exclude(pages=number)
    key = changed.values_list("pk", flat=True).first()
    # Asked again with the update: another request may have been quicker.
    if key is None or not changed.filter(pk=key).update(pages=number):
        return False
    publish("connection", str(key), {"id": key, "pages": number})
    return True
