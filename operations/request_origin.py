"""Who is asking, read from an HTTP request."""

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest

from medimgr.lib.access import LIMITS
from medimgr.lib.request_address import address_of
from operations.requester import Requester

PAGE_HEADER = "X-Medimgr-Page"
"""What the pages' own requests to the API carry (``static/medimgr/api.js``)."""


def requester_of(request: HttpRequest, source: str) -> Requester:
    """Return the logged-in user of ``request`` as a requester; ``source`` is page, admin or api.

    What one of our pages asks of the API has ``page`` as its source. Raises TypeError for a request that
    nobody is logged in to: views demand a permission first.
    """
    user = request.user
    if not isinstance(user, User):
        raise TypeError("requester_of() needs a request of a logged-in user.")
    return Requester(
        name=user.get_username(),
        source="page" if source == "api" and _by_page(request, user) else source,
        user=user,
        address=address_of(request),
    )


def _by_page(request: HttpRequest, user: User) -> bool:
    # Somebody with a token is no page, whatever the header says: pages are logged in with a session.
    by_session = request.session.get(SESSION_KEY) == str(user.pk) and not hasattr(user, LIMITS)
    return by_session and PAGE_HEADER in request.headers
