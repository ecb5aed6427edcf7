"""``/metrics``: everything that Prometheus may watch, of the whole installation, from any web worker."""

import time
from collections.abc import Iterator

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

import medimgr
from medimgr import metrics_door, request_tallies
from medimgr.accounts import login_tallies
from medimgr.events import metrics as stream_metrics
from medimgr.tallies.counting import Kept, kept
from medimgr.tallies.metrics import counted, of_processes, timed
from monitoring import metrics as service_metrics
from operations import metrics as operation_metrics
from workstations import metrics as workstation_metrics


class DatabaseCollector(Collector):
    """Reads the database at each scrape: whoever is asked answers for all processes."""

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics. Thirteen queries at most, whatever there is of everything."""
        began = time.perf_counter()
        counts = kept()
        found = [  # all of it before the first is written out: that is not reading
            *_database(up=True),
            *stream_metrics.families(),
            *service_metrics.families(counts),
            *operation_metrics.families(counts),
            *workstation_metrics.families(counts),
            *of_processes(),
            *_of_requests(counts),
        ]
        took = time.perf_counter() - began
        yield from found
        yield GaugeMetricFamily(
            "medimgr_scrape_duration_seconds",
            "How long it took to read these figures, before they were written out.",
            value=took,
        )


class NoDatabase(Collector):
    """What can be told while the database does not answer: that, and nothing that would be a zero."""

    def collect(self) -> Iterator[Metric]:
        """Yield it. No query."""
        yield from _database(up=False)


def _database(*, up: bool) -> Iterator[Metric]:
    info = GaugeMetricFamily("medimgr_build_info", "The version that answers.", labels=["version"])
    info.add_metric([medimgr.__version__], 1)
    yield info
    yield GaugeMetricFamily("medimgr_database_up", "1 where the database answers.", value=int(up))


def _of_requests(counts: Kept) -> Iterator[Metric]:
    yield counted(request_tallies.REQUESTS, counts)
    yield timed(request_tallies.TOOK, counts, [()])
    yield counted(login_tallies.TRIED, counts, [(outcome,) for outcome in login_tallies.OUTCOMES])


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format, version 0.0.4. For whom :mod:`medimgr.metrics_door` lets in.

    Where the database does not answer there is hardly more in it than ``medimgr_database_up 0``.
    """
    refusal = metrics_door.refusal(request)
    if refusal is not None:
        return refusal
    try:
        text = _written(DatabaseCollector())
    except Error:
        text = _written(NoDatabase())
    response = HttpResponse(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)
    response["Cache-Control"] = "no-store"
    return response


def _written(collector: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)
