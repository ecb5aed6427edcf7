"""What the scripts say of an operation is what the server says: words, durations, and what fits a filter."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from operations import rows, words
from operations.models import Operation
from operations.selection import Selection
from operations.states import Status
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.test_operations_page import NOWHERE, open_list


def twins() -> list[Operation]:
    now = timezone.now()
    asked = now - timedelta(hours=2)
    past = {"created_at": asked, "run_after": asked, "deadline_at": now}
    common = {"target_type": "service", "target_key": "a", "requester": "bob", "source": "api", **past}
    began = now - timedelta(hours=2)

    def one(pk: int, status: Status, **fields: Any) -> Operation:
        return Operation(pk=pk, status=status, **(common | {"kind": "service.stop"} | fields))

    return [
        one(1, Status.PENDING),
        one(2, Status.RUNNING, progress_done=3, progress_total=9, progress_message="at it", started_at=began),
        one(3, Status.RUNNING, cancel_requested_at=now, progress_message="at it", started_at=began),
        one(4, Status.SUCCESS, started_at=began, finished_at=began + timedelta(seconds=4.25)),
        one(5, Status.FAILED, error_code="lease-lost", error_detail="x", started_at=began, finished_at=began),
        one(6, Status.FAILED, error_code="moon", error_detail="It was full.", finished_at=began, batch="b"),
        one(
            7, Status.CANCELLED, error_code="cancelled", error_detail="By bob.", finished_at=began, kind="x.y"
        ),
        one(
            8,
            Status.TIMEOUT,
            error_code="timeout",
            started_at=began,
            finished_at=began + timedelta(seconds=725),
        ),
        one(
            9,
            Status.SUCCESS,
            started_at=began,
            finished_at=began + timedelta(seconds=11_111),
            target_type="ws",
        ),
        one(10, Status.SUCCESS, created_at=now, requester="eve", target_key="a:b"),
    ]


def test_the_scripts_say_what_the_templates_say(page: Page) -> None:
    open_list(page)
    for operation in twins():
        said = page.evaluate(
            """one => { const tell = medimgr.operation; return {
                status_word: tell.status(one), message: tell.message(one), label: tell.label(one),
                took: tell.took(one), target_page: tell.targetPage(one), active: tell.active(one),
            }; }""",
            operation.public(),
        )
        shown = rows.row(operation)
        if not operation.started_at or operation.finished_at:
            assert said.pop("took") == (shown["took"] or "–")
        else:
            said.pop("took")  # it goes on counting
        assert said == {name: shown[name] for name in said}, operation.pk


@pytest.mark.parametrize("seconds", [0.0, 4.24, 59.94, 60.0, 725.9, 3600.0, 11_111.0])
def test_durations_read_the_same(page: Page, seconds: float) -> None:
    open_list(page)
    assert page.evaluate("seconds => medimgr.operation.duration(seconds)", seconds) == words.took(seconds)


def test_what_fits_in_the_script_fits_in_the_query(page: Page, running: RunningMedimgr) -> None:
    wanted = [
        {}, {"status": "RUNNING"}, {"status": "active"}, {"status": "failures"}, {"status": "ended"},
        {"kind": "x.y"}, {"target": "service:a"}, {"target": "service"}, {"target": "service:a:b"},
        {"target": "ser"}, {"requested_by": "eve"}, {"batch": "b"}, {"since": "1h"},
        {"since": "1h", "status": "SUCCESS", "target": "ws"},
    ]  # fmt: skip
    open_list(page)
    mine = {"source": "fits-test"}
    with running.instance.database():
        made = []
        for operation in twins():
            if operation.status in (Status.PENDING, Status.RUNNING):
                operation.target_key = f"a{operation.pk}"
            operation.pk = None
            operation.source = mine["source"]
            if operation.status not in (Status.PENDING, Status.RUNNING) and operation.finished_at is None:
                operation.finished_at = operation.created_at
            operation.queue = NOWHERE
            operation.deadline_at = timezone.now() + timedelta(hours=1)
            operation.save(force_insert=True)
            made.append(operation)
        try:
            for given in wanted:
                selection = Selection.read(given)
                stored = set(selection.rows().filter(**mine).values_list("pk", flat=True))
                scripted = page.evaluate(
                    """([operations, selection]) => operations
                        .filter(one => medimgr.operation.fits(one, selection)).map(one => one.id)""",
                    [
                        [operation.public() for operation in made],
                        selection.given
                        | {
                            "statuses": list(selection.statuses),
                            "since_at": selection.since_at.isoformat() if selection.since_at else None,
                        },
                    ],
                )
                assert set(scripted) == stored, given
        finally:
            Operation.objects.filter(**mine).delete()
