"""``POST /api/services/import``: declares services from a file, as ``manage.py services import`` does."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router
from ninja.errors import ValidationError
from pydantic import BaseModel, Field
from pydantic import ValidationError as Invalid

from medimgr.lib.access import demand_everywhere
from medimgr.lib.api_parameters import Text
from medimgr.lib.request_problems import TooLarge
from monitoring.actions import Refusal
from monitoring.import_requests import import_sent, request_restarts
from monitoring.importers.formats import Format
from monitoring.importers.sources import Options, Source, from_bytes
from monitoring.models import Service
from operations.request_origin import requester_of
from operations.schemas import OperationShape

LARGEST_BODY = 1024 * 1024
_FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
router = Router(tags=["services"])


class ImportAsked(BaseModel):
    """What may be said about an import, in the query or as fields of a form."""

    format: Format | None = Field(
        None, description="Guessed from the file's name or text where it is left out."
    )
    dry_run: bool = Field(False, description="Only tell what would change.")
    restart: bool = Field(False, description="Request restarts of the running services that need one.")
    node: Text = Field("", description="On which node; this machine's where it is left out.")
    env: Text = Field("", description="PM2: take env_NAME too.")
    directory: Text = Field("", description="Where the file stands on the node, such as /srv/app.")
    name: Text = Field("", description="The file's name, for a body that is no form.")


class FieldShape(BaseModel):
    """One field that differs. Values are shortened JSON; those of variables are masked."""

    field: str
    old: str | None
    new: str | None
    restart: bool = Field(description="A running process takes it over only with a restart.")


class ServiceChange(BaseModel):
    """What the import does to one service."""

    key: str
    what: str = Field(description="created, changed or unchanged")
    running: bool
    restart: bool
    fields: list[FieldShape]


class RemarkShape(BaseModel):
    """Something of the file that is not taken over, or not quite as it was."""

    file: str
    line: int
    key: str
    message: str
    mapped: bool


class ServicesImported(BaseModel):
    """What an import did or, in a dry run, would do."""

    dry_run: bool
    services: list[ServiceChange]
    not_mapped: list[RemarkShape]
    notes: list[RemarkShape]
    to_restart: list[str] = Field(description="Running services that need a restart to apply.")
    operations: list[OperationShape]
    refused: list[dict[str, str]]


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
        },
    }
}


@router.post(
    "/import", response=ServicesImported, summary="Declare services from a file", openapi_extra=_BODY
)
def import_services(request: HttpRequest, query: Query[ImportAsked]) -> dict[str, Any]:  # noqa: ARG001
    """The body is the file's text, or a form with files (several for systemd's units). All of it or nothing.

    Formats: TOML, supervisord.conf, Procfile, PM2's ecosystem as JSON, systemd units. Other files that these
    name are not read here.
    """
    demand_everywhere(request.user, "add", Service)
    demand_everywhere(request.user, "change", Service)
    asked = _asked(request)
    if asked.restart:
        demand_everywhere(request.user, "restart", Service)
    done = import_sent(
        _sources(request, asked),
        asked.format,
        Options(env=asked.env),
        node=asked.node or settings.MEDIMGR_NODE,
        dry_run=asked.dry_run,
        requester=requester_of(request, "api"),
    )
    answer = done.public() | {"operations": [], "refused": []}
    if asked.restart and not asked.dry_run:
        batch = request_restarts(done, requester_of(request, "api"))
        answer["operations"] = [operation.public() for operation in batch.operations]
        answer["refused"] = [_refusal(refusal) for refusal in batch.refused]
    return answer


def _refusal(refusal: Refusal) -> dict[str, str]:
    return {"service": refusal.service, "code": refusal.code, "detail": refusal.detail}


def _asked(request: HttpRequest) -> ImportAsked:
    """Return what is asked for, by query or by form. Raises ninja's ValidationError."""
    _check_length(request)
    form = request.POST.dict() if request.content_type in _FORMS else {}
    known = {name: value for name, value in form.items() if name in ImportAsked.model_fields}
    try:
        return ImportAsked.model_validate(known | request.GET.dict())
    except Invalid as invalid:
        faults = [{"loc": ("query", *fault["loc"]), "msg": fault["msg"]} for fault in invalid.errors()]
        raise ValidationError(faults) from None


def _sources(request: HttpRequest, asked: ImportAsked) -> list[Source]:
    if request.content_type not in _FORMS:
        return [from_bytes(asked.name or "the body", request.body, directory=_directory(asked))]
    files = [file for name in request.FILES for file in request.FILES.getlist(name)]
    if sum(file.size or 0 for file in files) > LARGEST_BODY:
        raise _too_large()
    return [from_bytes(file.name or "file", file.read(), directory=_directory(asked)) for file in files]


def _directory(asked: ImportAsked) -> str:
    return asked.directory.rstrip("/") if asked.directory != "/" else "/"


def _check_length(request: HttpRequest) -> None:
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LARGEST_BODY + 64 * 1024:
        raise _too_large()
    if request.content_type not in _FORMS and len(request.body) > LARGEST_BODY:
        raise _too_large()


def _too_large() -> TooLarge:
    return TooLarge(f"The files are larger than {LARGEST_BODY // 1024} KiB. Import them in parts.")
