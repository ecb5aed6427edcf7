"""Filters on operations: what fits, page by page, and no more of the table read than is needed."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import selection as selecting
from operations.exceptions import BadFilter
from operations.models import Operation
from operations.selection import Selection
from operations.states import ACTIVE, FINISHED, Status
from tests.benchmarks.bulk_insert import analyze
from tests.benchmarks.seeding import History, seed_history
from tests.operations.rows import made

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

SELECTIONS: list[dict[str, str]] = [
    {},
    {"status": "FAILED"},
    {"status": "active"},
    {"status": "ended"},
    {"status": "failures"},
    {"kind": "service.stop"},
    {"kind": "service.never"},
    {"target": "service:a"},
    {"target": "service"},
    {"target": "workstation"},
    {"requested_by": "bob"},
    {"batch": "b1"},
    {"since": "30m"},
    {"status": "failures", "kind": "service.stop"},
    {"status": "SUCCESS", "requested_by": "bob", "target": "service:b"},
    {"status": "active", "target": "workstation"},
    {"status": "ended", "since": "1h", "requested_by": "alice"},
    {"batch": "b2", "status": "failures", "kind": "service.start"},
]


@pytest.fixture
def crowd() -> None:
    """Two hundred operations of every sort, over two hours."""
    chosen = random.Random(5)
    for number in range(200):
        status = chosen.choice([*FINISHED, *FINISHED, Status.PENDING, Status.RUNNING])
        kind = chosen.choice(["service.start", "service.stop", "workstation.test"])
        # One active operation on a target at a time: the others have targets of their own.
        key = f"active-{number}" if status in ACTIVE else chosen.choice("abc")
        made(
            key,
            status,
            ago=timedelta(minutes=(200 - number) * 0.6),
            kind=kind,
            target_type=kind.partition(".")[0],
            requester=chosen.choice(["alice", "bob"]),
            batch=chosen.choice(["", "", "b1", "b2"]),
        )


def fits(row: Operation, wanted: dict[str, str], now: Any) -> bool:
    """The same in plain Python."""
    groups = {"active": ACTIVE, "ended": FINISHED, "failures": {Status.FAILED, Status.TIMEOUT}}
    status = wanted.get("status")
    ages = {"30m": timedelta(minutes=30), "1h": timedelta(hours=1)}
    target = wanted.get("target", "")
    return (
        (not status or Status(row.status) in groups.get(status, {status}))
        and wanted.get("kind", row.kind) == row.kind
        and wanted.get("requested_by", row.requester) == row.requester
        and wanted.get("batch", row.batch) == row.batch
        and (not target or target in {row.target_type, row.target})
        and ("since" not in wanted or row.created_at >= now - ages[wanted["since"]])
    )


@pytest.mark.parametrize("wanted", SELECTIONS, ids=lambda wanted: "&".join(wanted.values()) or "all")
@pytest.mark.parametrize("looked_through", [7, 20_000])
def test_the_pages_together_hold_what_fits_and_each_once(
    crowd: None, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str], looked_through: int
) -> None:
    monkeypatch.setattr(selecting, "LOOKED_THROUGH", looked_through)
    now = timezone.now()
    selection = Selection.read(wanted, now)
    expected = [row.pk for row in Operation.objects.order_by("-id") if fits(row, wanted, now)]
    seen: list[int] = []
    before = None
    for _ in range(200):
        part = selection.page(before=before, limit=10)
        assert len(part.rows) <= 10
        seen += [row.pk for row in part.rows]
        before = part.older
        if before is None:
            break
    assert seen == expected
    assert list(selection.rows().order_by("-id").values_list("pk", flat=True)) == expected

    back: list[int] = []
    after: int | None = Operation.objects.order_by("id")[0].pk - 1
    for _ in range(200):
        part = selection.page(after=after, limit=10)
        back = [row.pk for row in part.rows] + back
        after = part.newer
        if after is None:
            break
    assert back == expected


@pytest.mark.parametrize("wanted", SELECTIONS, ids=lambda wanted: "&".join(wanted.values()) or "all")
def test_the_first_page_says_how_many_fit_or_that_there_may_be_more(
    crowd: None, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str]
) -> None:
    now = timezone.now()
    selection = Selection.read(wanted, now)
    fitting = sum(fits(row, wanted, now) for row in Operation.objects.all())
    part = selection.page(limit=10)
    assert (part.count, part.complete) == (fitting, True)
    assert selection.count() == (fitting, True)
    monkeypatch.setattr(selecting, "COUNTED", 5)
    part = selection.page(limit=3)
    assert (part.count, part.complete) == (min(5, fitting), fitting <= 5)
    monkeypatch.setattr(selecting, "LOOKED_THROUGH", 2)
    part = selection.page(limit=3)
    assert part.count is not None
    assert part.count <= fitting
    if part.complete:
        assert part.count == fitting


def test_a_page_in_the_middle_leads_both_ways(crowd: None) -> None:
    ids = list(Operation.objects.order_by("-id").values_list("pk", flat=True))
    first = Selection().page(limit=10)
    assert first.newer is None
    second = Selection().page(before=first.older, limit=10)
    assert [row.pk for row in second.rows] == ids[10:20]
    back = Selection().page(after=second.newer, limit=10)
    assert [row.pk for row in back.rows] == ids[:10]
    assert back.newer is None
    beyond = Selection().page(before=ids[-1], limit=10)
    assert (beyond.rows, beyond.older) == ([], None)
    assert Selection().page(after=beyond.newer, limit=10).rows[-1].pk == ids[-1]


def test_a_request_that_was_stored_later_than_its_time_says_is_found() -> None:
    late = made("late", ago=timedelta(minutes=1))
    made("old", ago=timedelta(hours=3))  # stored after it, asked for before it
    selection = Selection.read({"since": "1h"})
    assert [row.pk for row in selection.page(limit=10).rows] == [late.pk]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"status": "DONE"}, "status"),
        ({"since": "yesteryear"}, "since"),
        ({"since": "999999d"}, "since"),
        ({"since": "2026-13-01"}, "since"),
        ({"kind": "\0"}, "kind"),
        ({"target": "x" * 201}, "target"),
        ({"requested_by": "a\0b"}, "requested_by"),
    ],
)
def test_what_cannot_be_meant_is_named(given: dict[str, str], field: str) -> None:
    with pytest.raises(BadFilter) as caught:
        Selection.read(given)
    assert list(caught.value.errors) == [field]
    assert field in caught.value.detail
    assert given[field].strip("\0") not in caught.value.detail or field == "kind"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_an_age_counts_from_now(text: str, seconds: int) -> None:
    now = timezone.now()
    assert Selection.read({"since": text}, now).since_at == now - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-11-23", "2026-11-23T00:00:00+00:00"),
        ("2026-11-23T10:30", "2026-11-23T10:30:00+00:00"),
        ("2026-11-23T10:30:00+02:00", "2026-11-23T08:30:00+00:00"),
    ],
)
def test_a_time_is_taken_as_it_stands(text: str, iso: str) -> None:
    found = Selection.read({"since": text}).since_at
    assert found is not None
    assert found.isoformat() == iso


def effort(work: Callable[[], Any]) -> int:
    """Return how much SQLite does for ``work``, in hundreds of steps of its machine."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(count, 100)
    try:
        work()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return steps


WORST = [*SELECTIONS, {"status": "SUCCESS", "kind": "service.never"}, {"target": "workstation:x"}]


@pytest.mark.parametrize("statistics", [False, True])
def test_a_page_of_a_large_table_costs_no_more_than_one_of_a_small_one(
    monkeypatch: pytest.MonkeyPatch, statistics: bool
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL does not count its steps; its plans are in the benchmark")
    monkeypatch.setattr(selecting, "LOOKED_THROUGH", 300)
    monkeypatch.setattr(selecting, "COUNTED", 200)

    def efforts() -> list[int]:
        return [
            effort(lambda wanted=wanted: Selection.read(wanted).page(limit=20))  # type: ignore[misc]
            for wanted in WORST
        ]

    seed_history(History(3000, lines=0, oldest_hours=2, newest_hours=0))
    if statistics:
        analyze()
    small = efforts()
    seed_history(History(30_000, lines=0, oldest_hours=2, newest_hours=0, seed=6))
    if statistics:
        analyze()
    for wanted, before, after in zip(WORST, small, efforts(), strict=True):
        assert after <= 2 * before + 60, wanted


@pytest.mark.parametrize("wanted", SELECTIONS, ids=lambda wanted: "&".join(wanted.values()) or "all")
def test_the_number_of_queries_does_not_grow(
    crowd: None, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            Selection.read(wanted).page(limit=10)
        return len(asked)

    few = queries()
    for number in range(50):
        made(f"more-{number}", requester="bob", batch="b1")
    assert queries() <= few + 1  # one more where there was nothing to show before
    assert few <= 2 + 2 * (len(wanted) + 3)
