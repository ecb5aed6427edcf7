"""The JSON API for the logs of services. Every part needs the permission to read logs."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router

from medimgr.lib.access import demand
from monitoring import log_pages
from monitoring import log_schemas as schemas
from monitoring.api import service_called
from monitoring.log_download import download
from monitoring.models import Service

router = Router(tags=["services"])


def _readable(request: HttpRequest, key: str) -> Service:
    """Return the service if the user may read its log. Raises NotAllowed, UnknownService, OutOfReach."""
    demand(request.user, "tail", Service)
    service = service_called(key, request.user)
    demand(request.user, "tail", service)
    return service


@router.get("/{key}/log", response=schemas.LogFound | schemas.LogShape, summary="Its log")
def log(request: HttpRequest, key: str, wanted: Query[schemas.LogQuery]) -> HttpResponseBase | dict[str, Any]:
    """The last lines; what came after an offset; what is around one; or which lines hold a text.

    Plain text is searched for in up to 512 MiB, for up to four seconds. A regular expression sees the first
    4 KiB of each line, and runs in a process of its own that is ended once it takes too long.
    """
    service = _readable(request, key)
    if wanted.download:
        return download(service, wanted.stream)
    if wanted.search is not None:
        return log_pages.found_in(
            service,
            wanted.search,
            wanted.stream,
            regex=wanted.regex,
            case=wanted.case,
            before=wanted.before,
            limit=wanted.limit,
        )
    if wanted.around is not None:
        return log_pages.around(service, wanted.around, wanted.lines, wanted.stream)
    if wanted.offset is not None:
        return log_pages.after(service, wanted.offset, wanted.inode, wanted.stream)
    return log_pages.last_lines(service, wanted.lines, wanted.stream)


@router.get(
    "/{key}/log/archives", response=schemas.LogArchives, by_alias=True, summary="What is kept of its log"
)
def archives(request: HttpRequest, key: str, wanted: Query[schemas.StreamQuery]) -> dict[str, Any]:
    """The archives with sizes and times, the newest first."""
    return log_pages.archives(_readable(request, key), wanted.stream)


@router.get("/{key}/log/download", summary="A range of its log as a file")
def download_range(request: HttpRequest, key: str, wanted: Query[schemas.DownloadQuery]) -> HttpResponseBase:
    """Text, as an attachment, from archives and the live log: exactly the bytes that the service wrote."""
    return download(
        _readable(request, key),
        wanted.stream,
        begin=wanted.begin,
        end=wanted.end,
        last=wanted.last,
        archive=wanted.archive,
    )
