"""The audit in the admin: to be read, searched and exported by those who may, changed by nobody."""

import csv
import io
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from medimgr.accounts.models import AccountScope
from medimgr.audit.exporting import as_csv, defused
from medimgr.audit.models import AuditEntry
from tests.operations.asking import service

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LIST = "/admin/audit/auditentry/"
EXPORT = f"{LIST}export/"


@pytest.fixture
def auditor(db: None) -> User:
    user = User.objects.create_user("auditor", password="x", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_auditentry", "export_auditentry"])
    )
    return user


@pytest.fixture
def seen(auditor: User, client: Client) -> Client:
    client.force_login(auditor)
    AuditEntry._base_manager.all().delete()
    return client


def entries(number: int, **fields: Any) -> None:
    now = timezone.now()
    AuditEntry.objects.bulk_create(
        AuditEntry(
            **{
                "at": now - timedelta(minutes=number - row),
                "who": f"person-{row % 7}",
                "source": "page",
                "action": f"service.{('start', 'stop', 'restart')[row % 3]}",
                "target": f"service:s{row}",
                "target_name": f"S{row}",
                "outcome": "asked",
                "operation_id": row + 1,
                **fields,
            }
        )
        for row in range(number)
    )


def test_it_shows_what_was_done_newest_first(seen: Client) -> None:
    entries(3)
    page = seen.get(LIST).content.decode()
    assert page.index(">S2<") < page.index(">S1<") < page.index(">S0<")
    assert "person-2" in page


def test_it_is_for_those_who_may_look(client: Client, bob: User, auditor: User) -> None:
    client.force_login(bob)
    assert client.get(LIST).status_code == 403
    client.force_login(auditor)
    assert client.get(LIST).status_code == 200


def test_who_is_limited_to_a_part_does_not_see_it(seen: Client, auditor: User) -> None:
    AccountScope.objects.create(user=auditor, service_groups=["payments"])
    assert seen.get(LIST).status_code == 403
    assert seen.post(EXPORT).status_code == 403


def test_nobody_changes_or_deletes_an_entry(client: Client) -> None:
    root = User.objects.create_superuser("root", password="x")
    client.force_login(root)
    entries(1)
    entry = AuditEntry.objects.latest("pk")
    before = AuditEntry.objects.filter(pk=entry.pk).values().get()
    for address in (f"{LIST}add/", f"{LIST}{entry.pk}/delete/"):
        assert client.post(address, {"post": "yes"}).status_code == 403
    assert client.get(f"{LIST}{entry.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{entry.pk}/change/", {"who": "somebody else"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"})
    assert AuditEntry.objects.filter(pk=entry.pk).values().get() == before


def test_links_lead_to_what_exists(seen: Client) -> None:
    made = service()
    entries(1, target="service:backend", target_name="Backend", operation_id=999_999)
    page = seen.get(LIST).content.decode()
    assert f'<a href="/monitoring/services/{made.key}/">Backend</a>' in page
    assert "/operations/999999/" not in page
    entries(1, target="service:gone", target_name="Gone")
    assert "/services/gone/" not in seen.get(LIST).content.decode()


def test_the_number_of_queries_does_not_grow(seen: Client) -> None:
    counts = []
    for number in (7, 60):
        entries(number)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert seen.get(LIST).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 16


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("who=person-1", {"S1"}),
        ("action=service.restart", {"S2"}),
        ("outcome=refused", set()),
        ("source=page", {"S0", "S1", "S2"}),
        ("q=S1", {"S1"}),
        ("q=nobody", set()),
        ("at__year=1999", set()),
        (f"at__year={timezone.now():%Y}", {"S0", "S1", "S2"}),
    ],
)
def test_it_is_filtered(query: str, shown: set[str], seen: Client) -> None:
    entries(3)
    page = seen.get(f"{LIST}?{query}").content.decode()
    assert {name for name in ("S0", "S1", "S2") if f">{name}<" in page} == shown


def test_a_day_is_chosen_in_three_steps(seen: Client) -> None:
    entries(2)
    long_ago = timezone.now() - timedelta(days=800)
    AuditEntry.objects.create(at=long_ago, who="bygone", source="page", action="login")
    now = timezone.localtime()
    for query in ("", f"?at__year={now.year}", f"?at__year={now.year}&at__month={now.month}"):
        page = seen.get(f"{LIST}{query}").content.decode()
        assert f"at__year={now.year}" in page.replace("&amp;", "&")
    day = f"?at__year={now.year}&at__month={now.month}&at__day={now.day}"
    page = seen.get(f"{LIST}{day}").content.decode()
    assert "All dates" not in page
    assert 'class="field-who">bygone' not in page
    assert 'class="field-who">person-1' in page


@pytest.mark.parametrize(
    "query", ["at__year=x", "at__month=99&at__year=2026", "at__year=99999999999", "p=%00"]
)
def test_what_is_no_date_is_no_error(query: str, seen: Client) -> None:
    assert seen.get(f"{LIST}?{query}").status_code in {200, 302}


def test_a_hundred_thousand_entries_are_quick(seen: Client) -> None:
    entries(1_000)
    columns = ", ".join(field.column for field in AuditEntry._meta.concrete_fields if not field.primary_key)
    with connection.cursor() as cursor:
        for _ in range(7):
            cursor.execute(f"INSERT INTO audit_auditentry ({columns}) SELECT {columns} FROM audit_auditentry")
    this_year = f"?at__year={timezone.now():%Y}"
    for query in ("", "?who=person-1", "?action=service.stop&outcome=asked", this_year, "?q=S999"):
        seen.get(f"{LIST}{query}")
        began = time.perf_counter()
        assert seen.get(f"{LIST}{query}").status_code == 200
        took = time.perf_counter() - began
        assert took < 2.0, query


async def exported(user: User, query: str = "", **form: str) -> Any:
    client = AsyncClient()
    await client.aforce_login(user)
    return await client.post(f"{EXPORT}{query}", form)


async def text_of(answer: Any) -> str:
    return b"".join([piece async for piece in answer]).decode()


@pytest.mark.django_db(transaction=True)
async def test_it_is_exported_as_it_is_filtered_and_that_is_written_down(auditor: User) -> None:
    from asgiref.sync import sync_to_async

    await sync_to_async(entries)(2_500)
    answer = await exported(auditor, "?who=person-3", format="csv")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="audit-')
    rows = list(csv.DictReader(io.StringIO(await text_of(answer))))
    assert len(rows) == len([row for row in range(2_500) if row % 7 == 3])
    assert {row["who"] for row in rows} == {"person-3"}
    answer = await exported(auditor, format="json")
    lines = [json.loads(line) for line in (await text_of(answer)).splitlines()]
    assert len(lines) >= 2_501
    assert [line["id"] for line in lines] == sorted((line["id"] for line in lines), reverse=True)
    written = [
        entry async for entry in AuditEntry.objects.filter(action="audit.export").order_by("pk").values()
    ]
    assert [entry["detail"] for entry in written] == ["As csv, who=person-3", "As json, all of it"]
    assert {entry["who"] for entry in written} == {"auditor"}


def test_an_export_takes_a_post_and_its_own_permission(seen: Client, auditor: User) -> None:
    assert seen.get(EXPORT).status_code == 405
    assert "Export as CSV" in seen.get(LIST).content.decode()
    auditor.user_permissions.remove(Permission.objects.get(codename="export_auditentry"))
    assert seen.post(EXPORT).status_code == 403
    assert "Export as" not in seen.get(LIST).content.decode()
    assert not AuditEntry.objects.filter(action="audit.export").exists()


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert defused(cell) == f"'{cell}"


@given(st.text(max_size=40))
def test_a_sheet_reads_back_as_it_was(text: str) -> None:
    row = dict.fromkeys(("id", "at", "who", "source", "address", "request_id", "token"), "x")
    row |= dict.fromkeys(("action", "target", "target_name", "outcome", "operation_id"), "y")
    sheet = as_csv([{**row, "detail": text}], True)
    [heading, read] = csv.reader(io.StringIO(sheet, newline=""))
    assert read[heading.index("detail")] in {text, f"'{text}"}
