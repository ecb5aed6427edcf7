"""The JSON API: one entrance, its description, and what is public about this server."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI, Router, Swagger
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser

import medimgr
from medimgr import health
from medimgr.api_problems import no_such_address, not_allowed, register_problem_handlers
from medimgr.events.api import router as events
from medimgr.lib.problem_response import CONTENT_TYPE
from medimgr.lib.session_login import SessionLogin
from medimgr.lib.units import clock
from medimgr.lib.uptime import process_uptime_seconds
from monitoring.api import router as services
from monitoring.api import status_router as status
from monitoring.import_api import router as imports
from monitoring.log_api import router as logs
from operations.api import router as operations
from operations.batch_api import router as batches
from operations.chore_api import router as chores
from operations.cleanup_api import router as cleanup
from operations.log_api import router as operation_logs
from workstations.action_api import batches as workstation_batches
from workstations.action_api import router as workstations
from workstations.emulator_api import router as emulators
from workstations.fleet_api import router as fleet

PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
}


class ProblemAPI(NinjaAPI):
    """A NinjaAPI whose answer to a wrong method is a problem document, and whose schema says so."""

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        """Return the URLs for ``path("api/", ...)``."""
        patterns, app, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _problem_for_wrong_method(pattern.callback)
        return patterns, app, namespace

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the description, with the error answers that every path has."""
        schema = super().get_openapi_schema(**options)
        schema["components"].setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        answer = {
            "description": "An error (RFC 9457)",
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for methods in schema["paths"].values():
            for operation in methods.values():
                operation["responses"]["4XX"] = operation["responses"]["5XX"] = answer
        return schema


def _problem_for_wrong_method(view: Callable[..., Any]) -> Callable[..., Any]:
    # ninja answers 405 itself, past all handlers. All our views are sync: each has a thread anyway.
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = view(request, *args, **kwargs)
        return not_allowed(request, response["Allow"]) if response.status_code == 405 else response

    return answer


class BodyParser(Parser):
    """Reads JSON, and forms too: a POST without anything to say often comes as an empty form."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body. Raises ValueError where it is no JSON; ninja makes that a 400."""
        if request.content_type in {"multipart/form-data", "application/x-www-form-urlencoded"}:
            return dict(request.POST.items())
        return super().parse_body(request)


public = Router(auth=None, tags=["status"])


@public.get("/health", response=dict[str, Any], summary="Whether medimgr is well")
def api_health(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001
    """For monitoring; needs no login. ``uptime`` is that of the process that answers."""
    readiness = health.readiness()
    return {
        "status": "ok" if readiness.ready else "degraded",
        "uptime": clock(process_uptime_seconds()),
        "version": medimgr.__version__,
        **readiness.public(),
    }


@public.get("/version", response=dict[str, str], summary="Which medimgr this is")
def version(request: HttpRequest) -> dict[str, str]:  # noqa: ARG001
    """Needs no login."""
    return {"name": "medimgr", "version": medimgr.__version__}


api = ProblemAPI(
    title="medimgr",
    version=medimgr.__version__,
    description="Services, workstations with their emulators, operations and events. "
    "Actions answer 202 with the operation to follow.",
    urls_namespace="api",
    auth=SessionLogin(),
    parser=BodyParser(),
    docs=Swagger(settings={"validatorUrl": None, "deepLinking": True}),
)
register_problem_handlers(api)
api.add_router("", public)
api.add_router("/status", status)
api.add_router("/services", imports)  # before "/services/{key}"
api.add_router("/services", services)
api.add_router("/services", logs)
api.add_router("/operations/batches", batches)  # before "/operations/{operation_id}"
api.add_router("/operations/chores", chores)
api.add_router("/operations", cleanup)
api.add_router("/operations", operations)
api.add_router("/operations", operation_logs)
api.add_router("/events", events)
api.add_router("/workstations", fleet)  # before "/workstations/{workstation_id}"
api.add_router("/workstations", workstation_batches)
api.add_router("/workstations", workstations)
api.add_router("/emulators", emulators)


def unknown_address(request: HttpRequest) -> HttpResponseBase:
    """Answer for what no router serves, so that it is JSON here too, and never a debug page."""
    return no_such_address(request)


unknown_address.csrf_exempt = True  # type: ignore[attr-defined]  # it changes nothing, and says 404 to a POST too
