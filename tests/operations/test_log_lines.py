"""What a handler says is stored in order, in time and once."""

import threading
import time

import pytest

from medimgr.events.models import Event
from operations import lifecycle, log_lines
from operations.exceptions import OperationFailed
from operations.executor import Executor
from operations.job import Job
from operations.log_lines import OperationLog
from operations.log_reading import piece, read_all, read_lines
from operations.log_writer import store
from operations.states import Status
from tests.operations.asking import ask, declare, fresh, running, wait_until_ended
from tests.operations.saying import carried_out, claimed, texts
from tests.running import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def test_lines_are_stored_with_number_time_and_level() -> None:
    def handler(job: Job) -> None:
        job.log("one")
        job.log("two\nthree\n", "warning")
        job.log("four", level="error")

    before = time.time()
    done = carried_out(handler)
    lines = list(read_all(done.pk))
    assert [(line.number, line.level, line.text) for line in lines] == [
        (1, "info", "one"),
        (2, "warning", "two"),
        (3, "warning", "three"),
        (4, "error", "four"),
    ]
    assert all(line.at.endswith("Z") for line in lines)
    assert time.strftime("%Y-%m-%dT%H:", time.gmtime(before)) == lines[0].at[:14]
    assert (done.log_lines, done.log_bytes) == (4, len("onetwothreefour"))


def test_what_is_said_last_is_there_when_the_end_is_told() -> None:
    """In one transaction: whoever hears of the end can read the whole log."""

    class Broken(OperationFailed):
        """It broke."""

        code = "broken"

    def handler(job: Job) -> None:
        for number in range(7):
            job.log(f"line {number}")
        raise Broken

    done = carried_out(handler)
    assert texts(done) == [f"line {number}" for number in range(7)]
    event = Event.objects.filter(topic="operation", key=str(done.pk)).latest("id")
    assert (event.data["status"], event.data["log_lines"]) == ("FAILED", 7)


def test_a_line_is_shown_while_its_handler_works_on() -> None:
    go_on = threading.Event()

    def handler(job: Job) -> None:
        job.log("begun")
        assert go_on.wait(10)

    declare(handler=handler)
    operation = ask()
    with running(Executor(threads=1)):
        wait_for(lambda: texts(operation) == ["begun"], 5, "the line is stored")
        assert fresh(operation).status == Status.RUNNING
        event = Event.objects.filter(topic="operation", key=str(operation.pk)).latest("id")
        assert event.data["log_lines"] == 1
        go_on.set()
        wait_until_ended(operation)


def test_many_lines_cost_few_writes() -> None:
    """At most four writes a second and one for every hundred lines."""
    began = time.monotonic()

    def handler(job: Job) -> None:
        for number in range(600):
            job.log(f"line {number}")
            time.sleep(0.001)

    done = carried_out(handler)
    assert texts(done) == [f"line {number}" for number in range(600)]
    writes = Event.objects.filter(topic="operation", key=str(done.pk)).count() - 3  # asked, claimed, ended
    assert writes <= 4 * (time.monotonic() - began) + 600 / log_lines.AT_ONCE_LINES + 1


def test_lines_of_several_threads_of_a_handler_are_all_kept() -> None:
    def say(job: Job, n: int) -> None:
        for i in range(100):
            job.log(f"{n} {i}")

    def handler(job: Job) -> None:
        threads = [threading.Thread(target=say, args=(job, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    done = carried_out(handler)
    lines = list(read_all(done.pk))
    assert [line.number for line in lines] == list(range(1, 401))
    for n in range(4):
        assert [line.text for line in lines if line.text.startswith(f"{n} ")] == [
            f"{n} {i}" for i in range(100)
        ]


def test_a_level_that_does_not_exist_is_a_mistake_of_the_handler() -> None:
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        Job(claimed()).log("x", level="loud")


def test_any_part_of_a_log_can_be_read() -> None:
    operation = claimed()
    log = OperationLog(operation)
    for number in range(1, 1201):
        log.add(f"line {number}")
        if number % 70 == 0:
            store([log])
    store([log])
    for after in (0, 1, 69, 70, 71, 249, 250, 251, 700, 1199, 1200, 5000):
        for limit in (1, 30, 500):
            lines = read_lines(operation.pk, after, limit)
            assert [line.number for line in lines] == list(range(after + 1, min(1200, after + limit) + 1))
            assert all(line.text == f"line {line.number}" for line in lines)
    row = fresh(operation)
    assert piece(row.pk, row.status, row.log_lines, 1200) == {
        "operation": row.pk,
        "lines": [],
        "last": 1200,
        "log_lines": 1200,
        "complete": False,
    }
    lifecycle.finish(operation, Status.SUCCESS)
    row = fresh(operation)
    assert not piece(row.pk, row.status, row.log_lines, 0)["complete"]
    assert piece(row.pk, row.status, row.log_lines, 1000)["complete"]
