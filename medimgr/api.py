"""The JSON API: one entrance, its description, and what is public about this server."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import Router, Swagger

import medimgr
from medimgr import health
from medimgr.accounts.api import router as accounts
from medimgr.accounts.bearer_login import BearerLogin
from medimgr.api_bodies import BodyParser
from medimgr.api_problems import no_such_address, register_problem_handlers
from medimgr.events.api import router as events
from medimgr.events.connection_api import router as connections
from medimgr.lib.session_login import SessionLogin
from medimgr.lib.units import clock
from medimgr.lib.uptime import process_uptime_seconds
from medimgr.problem_api import ProblemAPI
from monitoring.api import router as services
from monitoring.api import status_router as status
from monitoring.facts_api import exports, nodes
from monitoring.facts_api import router as service_facts
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
    auth=[BearerLogin(), SessionLogin()],
    parser=BodyParser(),
    docs=Swagger(settings={"validatorUrl": None, "deepLinking": True}),
)
register_problem_handlers(api)
api.add_router("", public)
api.add_router("/auth", accounts)
api.add_router("/status", status)
api.add_router("/services", imports)  # before "/services/{key}"
api.add_router("/services", exports)
api.add_router("/services", services)
api.add_router("/services", service_facts)
api.add_router("/services", logs)
api.add_router("/operations/batches", batches)  # before "/operations/{operation_id}"
api.add_router("/operations/chores", chores)
api.add_router("/operations", cleanup)
api.add_router("/operations", operations)
api.add_router("/operations", operation_logs)
api.add_router("/nodes", nodes)
api.add_router("/events/connections", connections)
api.add_router("/events", events)
api.add_router("/workstations", fleet)  # before "/workstations/{workstation_id}"
api.add_router("/workstations", workstation_batches)
api.add_router("/workstations", workstations)
api.add_router("/emulators", emulators)


def unknown_address(request: HttpRequest) -> HttpResponseBase:
    """Answer for what no router serves, so that it is JSON here too, and never a debug page."""
    return no_such_address(request)


unknown_address.csrf_exempt = True  # type: ignore[attr-defined]  # it changes nothing, and says 404 to a POST too
