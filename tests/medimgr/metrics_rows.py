"""An installation in which every metric has something to tell, and its scrape."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from medimgr import request_tallies
from medimgr.events.figures import Figures
from medimgr.events.models import Connection, StreamWorker, Tick
from medimgr.tallies import process_report
from medimgr.tallies.counting import add
from monitoring.models import Node
from monitoring.states import HealthKind, Reason
from monitoring.tallies import RESTARTS, probed
from operations import tallies
from operations.models import ChoreRun
from operations.states import Status
from tests.factories import make_service
from tests.operations.rows import made
from workstations.models import Emulator, Workstation
from workstations.tallies import ANSWERED, CONNECTED

TOKEN = "a-token-that-nobody-guesses"


def busy_installation() -> None:
    """Make a row of everything, as it would be after a while."""
    now = timezone.now()
    backend = make_service("backend")
    Node.objects.update(supervisor_pid=1, heartbeat_at=now)
    Tick.objects.create(node=backend.node.name, at=now, data={"backend": [12.5, 100.0]})
    lost = made("backend", Status.FAILED, error_code="lease-lost", queue="worker")
    add(tallies.of_ended([lost, made("backend")]))
    made("backend", Status.PENDING, ago=timedelta(seconds=30), queue="worker")
    ChoreRun.objects.create(name="events.prune", next_at=now, finished_at=now, failures=2)
    workstation = Workstation.objects.create(name="pc-07", host="pc-07", status="online", read_at=now)
    Emulator.objects.create(workstation=workstation, index=0, title="Farm")
    add(RESTARTS.grown("backend", Reason.CRASH.value), probed(HealthKind.HTTP, True, 0.02))
    add(CONNECTED.seen(0.01, ANSWERED))
    add(request_tallies.REQUESTS.grown("GET", "200"), request_tallies.TOOK.seen(0.02))
    for kind in process_report.KINDS:
        process_report.report(kind, node=f"n-{kind}")
    told = {"queued_bytes": 1, "lag_events": 0, "lag_seconds": 0.0, "silent_seconds": 0.1}
    worker = StreamWorker.objects.create(
        node="n", pid=1, start_ticks=1, started_at=now, seen_at=now,
        figures={"counted": Figures().counted(), "now": told},
    )  # fmt: skip
    user = User.objects.create_user("listener")
    Connection.objects.create(worker=worker, user=user, address="::1", connected_at=now, last_ping_at=now)


def scrape(settings: object) -> str:
    """Return what Prometheus is answered."""
    settings.MEDIMGR_METRICS_TOKEN = TOKEN  # type: ignore[attr-defined]  # pytest-django's
    response = Client(headers={"Authorization": f"Bearer {TOKEN}"}).get("/metrics")
    assert response.status_code == 200, response.content
    return str(response.content.decode())


def families(text: str) -> dict[str, Metric]:
    """Return the families of a scrape by their names, counters without ``_total``."""
    return {family.name: family for family in text_string_to_metric_families(text)}
