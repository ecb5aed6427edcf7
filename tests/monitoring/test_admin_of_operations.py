"""The admin's list of operations: filters, dates and search that stay right and cheap as the table grows."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from operations import admin as operations_admin
from operations import admin_list, selection
from operations.models import Operation
from operations.states import Status
from tests.api import client_of
from tests.operations.rows import made
from tests.operations.test_selecting import effort

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
LIST = "/admin/operations/operation/"


@pytest.fixture
def site(alice: User) -> Client:
    return client_of(alice)


def at(key: str, *moment: int, **fields: Any) -> Operation:
    when = datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]
    return made(key, created_at=when, finished_at=when, **fields)


def shown(site: Client, query: str = "") -> list[str]:
    """Return the keys of the operations in the list."""
    answer = site.get(f"{LIST}?{query}")
    assert answer.status_code == 200, answer
    return re.findall(r'class="field-target[^"]*">service:([^<]*)<', answer.content.decode())


def dates(site: Client, query: str = "") -> list[str]:
    text = site.get(f"{LIST}?{query}").content.decode()
    nav = re.search(r'<nav class="toplinks">(.*?)</nav>', text, re.DOTALL)
    return [] if nav is None else re.sub(r"<[^>]*>", "\n", nav[1]).split("\n")


def test_filters_and_dates_show_what_fits(site: Client) -> None:
    at("a", 2025, 12, 31, 23, 59)
    at("b", 2026, 1, 1, 0, 0, kind="service.stop")
    at("c", 2026, 1, 31, 12, 0, status=Status.FAILED, source="command")
    at("d", 2026, 2, 1, 12, 0, requester="bob")
    assert shown(site) == ["d", "c", "b", "a"]
    assert shown(site, "status=FAILED") == ["c"]
    assert shown(site, "kind=service.stop&status=SUCCESS") == ["b"]
    assert shown(site, "source=command") == ["c"]
    assert shown(site, "requester=bob") == ["d"]
    assert shown(site, "created_at__year=2026") == ["d", "c", "b"]
    assert shown(site, "created_at__year=2026&created_at__month=1") == ["c", "b"]
    assert shown(site, "created_at__year=2026&created_at__month=1&created_at__day=31") == ["c"]
    assert shown(site, "created_at__year=2024") == []
    assert shown(site, "created_at__year=2026&created_at__month=1&kind=service.start") == ["c"]


def test_dates_lead_from_years_to_days_between_the_first_and_the_last(site: Client) -> None:
    assert dates(site) == []
    at("a", 2025, 12, 30, 8, 0)
    at("b", 2026, 2, 2, 8, 0)
    words = " ".join(dates(site))
    assert "2025" in words
    assert "2026" in words
    assert "All dates" not in words
    year = " ".join(dates(site, "created_at__year=2026"))
    assert "All dates" in year
    assert re.findall(r"(\w+) 2026", year) == ["January", "February"]
    month = " ".join(dates(site, "created_at__year=2025&created_at__month=12"))
    assert re.findall(r"December (\d+)", month.replace("December 2025", "")) == ["30", "31"]
    day = " ".join(dates(site, "created_at__year=2025&created_at__month=12&created_at__day=30"))
    assert "December 30" in day
    assert "December 2025" in day


@pytest.mark.parametrize(
    "query",
    [
        "created_at__year=x",
        "created_at__year=0",
        "created_at__year=2026&created_at__month=13",
        "created_at__year=9999",
    ],
)
def test_a_date_that_does_not_exist_breaks_nothing(site: Client, query: str) -> None:
    at("a", 2026, 2, 2, 8, 0)
    assert site.get(f"{LIST}?{query}").status_code in (200, 302, 400)


def test_a_search_finds_numbers_targets_people_batches_codes_and_reasons(site: Client) -> None:
    a = made("backend", reason="a new key ceremony")
    made("frontend", requester="bob", batch="b-1")
    made("worker", Status.FAILED, error_code="port-busy")
    assert shown(site, f"q={a.pk}") == ["backend"]
    assert shown(site, "q=service:frontend") == ["frontend"]
    assert shown(site, "q=frontend") == ["frontend"]
    assert shown(site, "q=bob") == ["frontend"]
    assert shown(site, "q=b-1") == ["frontend"]
    assert shown(site, "q=port-busy") == ["worker"]
    assert shown(site, "q=ceremony") == ["backend"]
    assert shown(site, "q=ceremony+bob") == []
    assert shown(site, "q=alice+end") == ["backend"]
    assert shown(site, "q=%00") == shown(site)
    assert shown(site, "q=99999999999999999999") == []


def test_past_a_bound_nobody_counts_and_the_list_says_so(
    site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        made(f"s{number}", kind="service.stop" if number < 2 else "service.start")
    assert "6 operations" in site.get(LIST).content.decode()
    monkeypatch.setattr(admin_list, "COUNTED", 5)
    page = site.get(f"{LIST}?q=alice").content.decode()
    assert "more than 5 operations" in page
    assert not re.search(r"\b6\b (operations|results)", page)
    monkeypatch.setattr(selection, "LOOKED_THROUGH", 3)
    page = site.get(f"{LIST}?kind=service.stop&status=SUCCESS").content.decode()
    assert "Only the newest were looked through" in page
    assert "Only the newest" not in site.get(f"{LIST}?kind=service.stop").content.decode()


def test_an_action_on_too_many_does_nothing_and_says_so(
    site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_admin, "ACTED_ON_AT_MOST", 2)
    ids = [made(f"s{number}", Status.PENDING).pk for number in range(3)]
    body = {"action": "cancel", "_selected_action": ids, "select_across": "1"}
    answer = site.post(LIST, body, follow=True)
    assert "no more than 2 at a time" in answer.content.decode()
    assert set(Operation.objects.values_list("status", flat=True)) == {"PENDING"}
    site.post(LIST, body | {"_selected_action": ids[:2], "select_across": "0"})
    assert Operation.objects.filter(status="CANCELLED").count() == 2


QUERIES = [
    "",
    "status=FAILED",
    "status=FAILED&kind=service.stop&source=command",
    "created_at__year=2026",
    "o=-2.4",
    "q=operator-3",
    "q=nothing-has-this",
    "requester=nobody&error_code=none",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_large_table_costs_no_more_than_a_small_one(
    site: Client, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(selection, "LOOKED_THROUGH", 100)
    monkeypatch.setattr(admin_list, "COUNTED", 150)
    monkeypatch.setattr(admin_list, "FOUND", 100)
    now = timezone.now()

    def grow(first: int, count: int) -> None:
        rows = [
            Operation(
                kind=f"service.{('start', 'stop')[number % 2]}",
                target_type="service",
                target_key=f"k{number % 50}",
                queue="q",
                status=Status.SUCCESS if number % 9 else Status.FAILED,
                requester=f"operator-{number % 7}",
                source="api",
                created_at=now - timedelta(minutes=10_000 - number),
                run_after=now,
                deadline_at=now,
                finished_at=now,
            )
            for number in range(first, first + count)
        ]
        Operation.objects.bulk_create(rows)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            shown(site, query)
        return len(asked)

    grow(0, 400)
    few = queries()
    small = effort(lambda: shown(site, query)) if connection.vendor == "sqlite" else 0
    grow(400, 3600)
    assert queries() == few
    if connection.vendor == "sqlite":
        assert effort(lambda: shown(site, query)) <= 2 * small + 60
