"""Answers that say what they are of, so that nobody is sent again what he has (RFC 9110, ``ETag``)."""

import hashlib

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags

REVALIDATED = "private, no-cache"
"""Kept by nobody but the client, and asked for anew each time: which a tag makes cheap."""
_KEPT_HEADERS = ("Cache-Control", "ETag", "Vary", "Last-Modified", "Expires")


def conditional(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return ``response`` with the tag of its body, or 304 where the client named that tag. No query.

    Weak tags: what is compared is the text, not how it is compressed on the way. Only for a complete 200 to
    a GET; a body that is streamed is not known yet and goes as it is.
    """
    if request.method != "GET" or response.status_code != 200:
        return response
    response.setdefault("Cache-Control", REVALIDATED)
    patch_vary_headers(response, ("Cookie", "Authorization"))
    if response.streaming:
        return response
    content: bytes = getattr(response, "content", b"")
    tag = response.headers.get("ETag") or f'W/"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
    response.headers["ETag"] = tag
    if not _is_known(request.headers.get("If-None-Match", ""), tag):
        return response
    unchanged = HttpResponseNotModified()
    for name in _KEPT_HEADERS:
        if name in response.headers:
            unchanged.headers[name] = response.headers[name]
    unchanged.cookies = response.cookies
    return unchanged


def _is_known(header: str, tag: str) -> bool:
    """Return whether ``tag`` is among those of an If-None-Match header, compared weakly. Pure."""
    known = parse_etags(header)
    return "*" in known or tag.removeprefix("W/") in {one.removeprefix("W/") for one in known}
