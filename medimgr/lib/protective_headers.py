"""The headers by which a browser is told what it may not do with an answer, whatever kind that is.

Django's middleware sets most of them on pages. Streams go past it, and so does what is answered outside
Django; here are all of them, for every answer.
"""

from django.conf import settings
from django.http.response import HttpResponseBase

NO_CONTENT = "default-src 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of what is no page: even opened as one it loads and runs nothing."""
UNUSED = (
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "serial",
    "usb",
)
"""Features of browsers that no page of ours uses. Names that a browser does not know make it complain."""
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED),
    "Content-Security-Policy": NO_CONTENT,
}


def protect(response: HttpResponseBase, *, https: bool) -> None:
    """Add what ``response`` lacks; ``https`` says whether its client came by it."""
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    if https and settings.SECURE_HSTS_SECONDS:
        response.headers.setdefault("Strict-Transport-Security", strict_transport())


def strict_transport() -> str:
    """Return the value of Strict-Transport-Security (RFC 6797) as the settings have it."""
    subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
    return f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}"
