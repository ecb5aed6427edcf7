"""Who is asking, read from an HTTP request."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from operations.requester import Requester


def requester_of(request: HttpRequest, source: str) -> Requester:
    """Return the logged-in user of ``request`` as a requester; ``source`` is page, admin or api.

    Raises TypeError for a request that nobody is logged in to: views demand a permission first.
    """
    user = request.user
    if not isinstance(user, User):
        raise TypeError("requester_of() needs a request of a logged-in user.")
    return Requester(
        name=user.get_username(),
        source=source,
        user=user,
        address=str(request.META.get("REMOTE_ADDR") or ""),
    )
