"""``/metrics``: everything that Prometheus may watch, of the whole installation, from any web worker."""

import secrets
from collections.abc import Iterator

from django.conf import settings
from django.db import Error
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

import medimgr
from medimgr.events import metrics as stream_metrics
from medimgr.events.models import Connection
from medimgr.lib.access import NotAllowed, demand
from monitoring.models import Node, Service, ServiceStatus
from monitoring.states import State
from operations.models import Operation
from operations.states import Status


class DatabaseCollector(Collector):
    """Reads the database at each scrape: whoever is asked answers for all processes."""

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics. Six queries at most, whatever there is of services, workers and streams."""
        yield from stream_metrics.families()
        yield _services()
        yield _operations()
        yield _nodes()
        info = GaugeMetricFamily("medimgr_build_info", "The version that answers.", labels=["version"])
        info.add_metric([medimgr.__version__], 1)
        yield info


def _services() -> Metric:
    family = GaugeMetricFamily("medimgr_services", "Services by state.", labels=["node", "state"])
    found = {
        (node, state): count
        for node, state, count in ServiceStatus.objects.order_by()
        .values_list("service__node__name", "state")
        .annotate(count=Count("pk"))
    }
    for node in sorted({node for node, _ in found}):
        for state in State:
            family.add_metric([node, state.value], found.get((node, state.value), 0))
    return family


def _operations() -> Metric:
    family = GaugeMetricFamily(
        "medimgr_operations", "Operations by state, as long as they are kept.", labels=["state"]
    )
    found = dict(Operation.objects.order_by().values_list("status").annotate(count=Count("pk")))
    for status in Status:
        family.add_metric([status.value], found.get(status.value, 0))
    return family


def _nodes() -> Metric:
    family = GaugeMetricFamily(
        "medimgr_node_up",
        "1 where the supervisor of the node reports, 0 where it is silent.",
        labels=["node"],
    )
    now = timezone.now()
    for node in Node.objects.order_by("name"):
        family.add_metric([node.name], int(node.is_supervised(now)))
    return family


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format, version 0.0.4.

    For staff who may view connections, services and operations, and for whoever has the bearer token. 401 and
    403 as text; 503 where the database does not answer, so that a scrape fails instead of telling zeros.
    """
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector())
    try:
        text = generate_latest(registry)
    except Error:
        return _text("The database does not answer. Check DATABASE_URL and the server.", 503)
    response = HttpResponse(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response["Cache-Control"] = "no-store"
    return response


def _refusal(request: HttpRequest) -> HttpResponse | None:
    header = request.headers.get("Authorization")
    if header is not None:
        return None if _is_token(header) else _sign_in("This token is not the one of this installation.")
    try:
        if not request.user.is_authenticated:
            return _sign_in("Sign in as staff, or send a bearer token.")
        for model in (Connection, Service, Operation):
            demand(request.user, "view", model)
    except NotAllowed as problem:
        return _text(problem.detail, 403)
    except Error:
        return _text("The database does not answer. Check DATABASE_URL and the server.", 503)
    return None


def _is_token(header: str) -> bool:
    scheme, _, given = header.partition(" ")
    expected = settings.MEDIMGR_METRICS_TOKEN
    # As bytes, since text outside ASCII cannot be compared in constant time.
    same = secrets.compare_digest(given.strip().encode(), expected.encode())
    return bool(expected) and scheme.lower() == "bearer" and same


def _sign_in(words: str) -> HttpResponse:
    response = _text(f"{words} The token is what MEDIMGR_METRICS_TOKEN is set to on the server.", 401)
    response["WWW-Authenticate"] = 'Bearer realm="medimgr metrics"'
    return response


def _text(words: str, status: int) -> HttpResponse:
    response = HttpResponse(f"{words}\n", status=status, content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response
