"""What a worker or the supervisor logs while it carries out an operation names it, and who asked for it."""

import contextvars
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from medimgr.lib import log_context
from medimgr.lib.log_lines import JsonLine
from operations import registry
from operations.executor import Executor
from operations.models import Operation
from tests.events.conftest import Site
from tests.medimgr.worker_process import WorkerProcess
from tests.monitoring.supervision.ward import Ward
from tests.operations.asking import ask, declare


class Lines(logging.Handler):
    """Formats as a real handler does, at the moment at which a record is made."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.read.append(json.loads(JsonLine().format(record)))


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_handler_logs_under_its_operation() -> None:
    logger, lines = logging.getLogger("tests.handlers"), Lines()
    logger.addHandler(lines)

    def handler(_job: Any) -> None:
        logger.warning("at work")
        raise RuntimeError("it breaks")

    failures = Lines()
    logging.getLogger("operations.executor").addHandler(failures)
    declare("service.logged", handler)
    token = log_context.request_id.set("asked-as-this")
    try:
        operation = ask("service.logged")
    finally:
        log_context.request_id.reset(token)
    try:
        Executor(threads=1).run(drain=True)
    finally:
        registry.unregister("service.logged")
        logger.removeHandler(lines)
        logging.getLogger("operations.executor").removeHandler(failures)
    [failed] = [line for line in failures.read if "failed unexpectedly" in line["message"]]
    for line in (lines.read[0], failed):
        assert line["operation_id"] == operation.pk
        assert line["request_id"] == "asked-as-this"
        assert line["user"] == "alice"


def test_what_was_begun_meanwhile_is_told_that_the_work_is_over() -> None:
    with log_context.working_on(7, requested_as="r"):
        inherited = contextvars.copy_context()
        assert inherited.run(log_context.at_work) is not None
    assert inherited.run(log_context.at_work) is None


def test_the_supervisor_logs_a_start_that_fails_under_the_request_that_asked_for_it(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        site = Site(tmp_path, MEDIMGR_LOG_FORMAT="json")
        worker = WorkerProcess(site.instance, DJANGO_SETTINGS_MODULE="medimgr.settings")
        try:
            _start_something_impossible(site, worker.ready())
        finally:
            worker.close()
            site.instance.close()


def _start_something_impossible(site: Site, worker: WorkerProcess) -> None:
    ward = Ward(site.instance)
    with site.instance.database():
        service = ward.declare("broken", command=["/no/such/program"], autostart=False)
        supervisor = ward.start()
        with httpx.Client(base_url=worker.url(""), cookies={"sessionid": site.operator()}) as client:
            client.get("/monitoring/")
            answer = client.post(
                f"/api/services/{service.key}/start", headers={"X-CSRFToken": client.cookies["csrftoken"]}
            )
        assert answer.status_code == 202, answer.text
        made = Operation.objects.get()
        assert made.request_id == answer.headers["x-request-id"]

        def lines() -> list[dict[str, Any]]:
            read = (json.loads(line) for line in supervisor.output().splitlines() if line.startswith("{"))
            return [line for line in read if line["operation_id"] == made.pk]

        ward.wait(lines, "the supervisor says something of the operation")
        said = lines()[0]
        assert "broken" in said["message"]
        assert (said["request_id"], said["user"]) == (made.request_id, "operator")
        assert said["process"] == "supervise"
