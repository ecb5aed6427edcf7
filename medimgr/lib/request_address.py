"""From which address a request comes."""

from django.conf import settings
from django.http import HttpRequest

from medimgr.lib.client_address import client_address


def address_of(request: HttpRequest) -> str:
    """Return the client's address, for which proxies of ours are believed and nobody else. No query."""
    return client_address(
        str(request.META.get("REMOTE_ADDR") or ""),
        request.headers.get("X-Forwarded-For", ""),
        settings.MEDIMGR_TRUSTED_PROXIES,
    )
