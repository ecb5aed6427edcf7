"""By what way a request comes: from one of medimgr's own pages, or from a program."""

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest

from medimgr.lib.access import LIMITS

PAGE_HEADER = "X-Medimgr-Page"
"""What the pages' own requests to the API carry (``static/medimgr/api.js``)."""


def source_of(request: HttpRequest) -> str:
    """Return ``page`` or ``api`` for a request to the API by somebody who is logged in.

    Reads the session where nobody has.
    """
    # Somebody with a token is no page, whatever the header says: pages are logged in with a session.
    by_session = request.session.get(SESSION_KEY) == str(request.user.pk) and not hasattr(
        request.user, LIMITS
    )
    return "page" if by_session and PAGE_HEADER in request.headers else "api"
