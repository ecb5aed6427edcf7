"""Purges while operations come, run and are asked for again; many equal requests at the same moment."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from medimgr.lib.problems import Problem
from operations.exceptions import OperationFailed
from operations.executor import Executor
from operations.intake import retry
from operations.job import Job
from operations.models import Operation
from operations.purge import purge
from tests.events.sessions import log_in
from tests.factories import make_service
from tests.operations.asking import ALICE, ask, declare, in_thread, running
from tests.running import Instance, free_port, wait_for

pytestmark = pytest.mark.both_databases

TOKEN = "c" * 32
"""Against forgery it serves that cookie and header say the same."""


class NoLuck(OperationFailed):
    """It had no luck."""

    code = "no-luck"


@pytest.mark.django_db(transaction=True)
def test_a_purge_takes_nothing_that_waits_or_runs(caplog: pytest.LogCaptureFixture) -> None:
    begun: Counter[int] = Counter()
    over = threading.Event()

    def handler(job: Job) -> None:
        begun[job.operation.pk] += 1
        for step in range(3):
            job.progress(step, 3, "at it")
            job.wait(0.002)
        if job.operation.pk % 3 == 0:
            raise NoLuck("A third of them fails.")

    declare(handler=handler)
    purged: list[int] = []

    def purge_all_the_time() -> None:
        while not over.wait(0.005):
            purged.append(purge(timezone.now(), batch_size=7))

    asked = set()
    purger = in_thread(purge_all_the_time)
    try:
        with running(Executor(threads=4)):
            for number in range(120):
                asked.add(ask(key=f"s{number % 40}-{number}").pk)
                for failed in Operation.objects.filter(status="FAILED", retries=None)[:1]:
                    try:
                        asked.add(retry(failed, ALICE).pk)
                    except Problem:
                        continue  # purged meanwhile, or asked for again already
            wait_for(lambda: not Operation.objects.active().exists(), 30, "all of them end")
    finally:
        over.set()
        purger.join(10)
    assert set(begun) == asked, "A purge took what waited."
    assert set(begun.values()) == {1}
    assert sum(purged) > 50, "The purge came too late for there to be a race."
    faults = [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert faults == []


def test_forty_equal_requests_at_once_make_one_operation(instance: Instance) -> None:
    with instance.database():
        session = log_in(User.objects.create_superuser("operator"))
        for number in range(3):
            make_service(f"s{number}")
    workers = [instance.daphne(free_port()) for _ in range(2)]
    ports = [int(worker.name.rpartition("-")[2]) for worker in workers]
    start = threading.Barrier(40)

    def post(number: int, key: str) -> httpx.Response:
        url = f"http://127.0.0.1:{ports[number % 2]}"
        cookies = {"sessionid": session, "csrftoken": TOKEN}
        with httpx.Client(base_url=url, cookies=cookies, timeout=60) as client:
            headers = {"X-CSRFToken": TOKEN, "Idempotency-Key": key}
            start.wait(60)
            body = {"kind": "service.start", "target": f"service:{key}", "priority": 3}
            return client.post("/api/operations", json=body, headers=headers)

    for key in ("s0", "s1"):
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(post, range(40), [key] * 40))
        assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
        made = {answer.json()["operation"]["id"] for answer in answers}
        with instance.database():
            assert made == {Operation.objects.get(target_key=key).pk}
