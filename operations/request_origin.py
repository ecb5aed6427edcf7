"""Who is asking, read from an HTTP request."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from medimgr.lib.request_address import address_of
from medimgr.lib.request_source import source_of
from operations.requester import Requester


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
        source=source_of(request) if source == "api" else source,
        user=user,
        address=address_of(request),
    )
