"""Who may read ``/metrics``: it tells of everything, so for whoever is limited to some of it, it is shut."""

import secrets

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from medimgr.accounts.bearer import bearer_token, holder_of
from medimgr.accounts.exceptions import BearerRefused
from medimgr.events.models import Connection
from medimgr.lib.access import Person, demand_everywhere
from medimgr.lib.client_address import as_address
from medimgr.lib.refusals import NotAllowed, OutOfReach
from medimgr.lib.request_address import address_of
from monitoring.models import Service
from operations.models import Operation
from workstations.models import Emulator, Workstation

SHOWN = (Connection, Service, Operation, Workstation, Emulator)
"""What an account needs the permission to look at."""


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to who may not read the metrics, as text; None to who may.

    May: who sends the token of MEDIMGR_METRICS_TOKEN, or an API token of an account that may look at all that
    is SHOWN; who asks from one of MEDIMGR_METRICS_NETWORKS; and who is signed in as such an account. A token
    that is not good is refused, whatever came along with it. Queries the account where it is one.
    """
    header = request.headers.get("Authorization")
    if header is None and _is_near(request):
        return None
    token = bearer_token(header or "")
    if token is not None and _is_the_token(token):
        return None
    try:
        return _account_refusal(request, header, token)
    except Error:
        return _text("The database does not answer. Check DATABASE_URL and the server.", 503)


def _account_refusal(request: HttpRequest, header: str | None, token: str | None) -> HttpResponse | None:
    person: Person = request.user
    if header is not None:
        try:
            person = holder_of(token or "", timezone.now(), address_of(request)).user
        except BearerRefused:
            return _sign_in("This is neither the token of this installation nor a good one of an account.")
    elif not person.is_authenticated:
        return _sign_in("Sign in as staff, or send a bearer token.")
    try:
        for model in SHOWN:
            demand_everywhere(person, "view", model)
    except (NotAllowed, OutOfReach) as problem:
        return _text(problem.detail, 403)
    return None


def _is_near(request: HttpRequest) -> bool:
    address = as_address(address_of(request))
    near = settings.MEDIMGR_METRICS_NETWORKS
    return address is not None and any(
        address in network for network in near if network.version == address.version
    )


def _is_the_token(given: str) -> bool:
    expected: str = settings.MEDIMGR_METRICS_TOKEN
    # As bytes, since text outside ASCII cannot be compared in constant time.
    return secrets.compare_digest(given.encode(), expected.encode()) and bool(expected)


def _sign_in(words: str) -> HttpResponse:
    response = _text(f"{words} The token is what MEDIMGR_METRICS_TOKEN is set to on the server.", 401)
    response["WWW-Authenticate"] = 'Bearer realm="medimgr metrics"'
    return response


def _text(words: str, status: int) -> HttpResponse:
    response = HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response
