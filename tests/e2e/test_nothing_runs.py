"""Markup in every name and text that a page shows: it is read as text, nothing runs, nothing is inserted.

The names are planted in the database, past all forms, as the worst that could be there; the texts that
arrive later come by events. Every page and every list, form, history and deletion of the admin is opened.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect
from pytest_django import DjangoDbBlocker

from medimgr.accounts import machine_tokens
from medimgr.accounts.machine_tokens import Issuer
from medimgr.accounts.models import TokenFamily
from medimgr.audit.recording import record
from medimgr.events.log import publish
from monitoring.models import Node, Run, Service, Transition
from monitoring.states import Reason, State
from operations.models import Batch, ChoreRun, LogPart, Operation
from tests.e2e.conftest import PASSWORD, RunningMedimgr, watch_for_faults
from tests.e2e.fleet import medimgr_for_workstations
from tests.e2e.watching import account, expect_link, new_context
from tests.factories import make_service
from tests.running import log_in
from workstations.models import Change, Emulator, Workstation

MARKUP = "\"'><x-e></x-e><img src=q onerror=ran(1)>"
LONG = (
    MARKUP
    + "</textarea></title><script>ran(2)</script><svg onload=ran(3)>{{7*7}}${7*7}<a href=javascript:ran(4)>"
)
LATER = "later" + MARKUP
NAME = "evil" + MARKUP
KEY = "markup"
# Counts what ran and what became an element, from before the first line of a page to its end.
_WATCH = """() => {
  window.broken = [];
  window.ran = (number) => window.broken.push("ran " + number);
  document.addEventListener("securitypolicyviolation",
    (event) => window.broken.push("policy: " + event.violatedDirective + " " + event.blockedURI));
  const bad = "x-e, [src=q], [onerror], [onload], [onclick], a[href^='javascript:' i]";
  window.inserted = () => [...document.querySelectorAll(bad)].map((element) => element.outerHTML);
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes)
      if (node.nodeType === 1 && (node.matches(bad) || node.querySelector(bad)))
        window.broken.push("inserted " + node.outerHTML.slice(0, 300));
  }).observe(document, { childList: true, subtree: true });
}"""
SYSTEM = {
    "at": "2026-01-01T00:00:00+00:00",
    "computer": MARKUP,
    "os": {"name": LONG, "version": MARKUP, "build": 1, "booted_at": "2026-01-01T00:00:00+00:00"},
    "cpu": {"model": LONG, "cores": 4, "threads": 8, "load_percent": 1},
    "memory": {"total_bytes": 1000, "free_bytes": 500},
    "disks": [{"name": MARKUP, "label": MARKUP, "total_bytes": 9, "free_bytes": 5}],
    "sessions": [{"user": MARKUP, "session": 1}],
}
PRINTS = f"import time\nwhile True:\n    print({LONG!r}, flush=True)\n    time.sleep(0.3)"


@dataclass
class Planted:
    """A medimgr whose every text is markup, and somebody of that name who looks at it."""

    running: RunningMedimgr
    client: httpx.Client
    rows: dict[str, int | str] = field(default_factory=dict)
    """A row of each model of the admin, by its label."""


@pytest.fixture(scope="module")
def planted(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Planted]:
    with (
        django_db_blocker.unblock(),
        medimgr_for_workstations(tmp_path_factory.mktemp("markup")) as (running, _key),
    ):
        user = account(
            running, NAME, first_name=MARKUP, last_name=MARKUP, email=MARKUP, is_staff=True, is_superuser=True
        )
        with running.instance.database(), transaction.atomic():
            plant(user)
        client = log_in(running.url, NAME, PASSWORD)
        client.headers["User-Agent"] = MARKUP
        # Held open, so that the connection is in the monitor and in the admin.
        with client.stream("GET", "/events/", params={"topics": "service", "page": MARKUP}) as stream:
            assert stream.status_code == 200
            answer = client.post(f"/api/services/{KEY}/restart", json={"reason": LONG[:300]})
            assert answer.status_code == 202, answer.text
            with running.instance.database():
                rows = {model._meta.label_lower: row_of(model) for model in admin.site._registry}
            yield Planted(running, client, {label: pk for label, pk in rows.items() if pk is not None})
        client.close()


def row_of(model: Any) -> Any:
    """Return the key of the row that has most markup: the oldest, but the newest of accounts."""
    rows = model._default_manager.order_by("-pk" if model is User else "pk")
    if model is Group:
        rows = rows.filter(name=NAME)
    if model is Service:
        rows = rows.filter(key=KEY)
    return rows.values_list("pk", flat=True).first()


def plant(user: User) -> None:
    """Make a row of everything, with markup wherever there is a text."""
    now = timezone.now()
    Node.objects.create(name=NAME, problem=MARKUP, version=MARKUP[:32], heartbeat_at=now)
    service = make_service(
        KEY,
        name=NAME,
        description=LONG,
        group=NAME,
        warning=LONG,
        command=[sys.executable, "-c", PRINTS],
    )
    Run.objects.create(
        service=service, service_key=KEY, node=NAME, reason=Reason.OPERATOR, started_at=now, ended_at=now
    )
    Transition.objects.create(
        service=service, at=now, from_state=State.STOPPED, to_state=State.STARTING, detail=LONG[:200]
    )
    workstation = Workstation.objects.create(
        name=NAME,
        host=NAME,
        tags=[NAME],
        username=NAME,
        polled=False,
        last_error=LONG,
        error_code="markup",
        status="OFFLINE",
        system=SYSTEM,
        ldconsole_path=MARKUP,
    )
    Emulator.objects.create(workstation=workstation, index=1, title=LONG)
    Change.objects.create(
        workstation=workstation, at=now, index=1, title=LONG, what="title", before=MARKUP, after=MARKUP
    )
    batch = Batch.objects.create(
        id=f"b{MARKUP}"[:40],
        kind="service.restart",
        requester=NAME,
        source="api",
        reason=LONG,
        created_at=now,
        total=1,
        refused=[{"target": f"service:{MARKUP}", "code": MARKUP, "detail": LONG}],
    )
    operation = Operation.objects.create(
        kind="service.restart", target_type="service", target_key=KEY, target_name=LONG, requester=NAME,
        requested_by=user, source="api", address=MARKUP, reason=LONG, batch=batch.pk, created_at=now,
        run_after=now, finished_at=now, deadline_at=now + timedelta(hours=1), queue=MARKUP, status="FAILED",
        error_code="refused", error_detail=LONG, progress_message=LONG, lease_owner=MARKUP, log_lines=1,
    )  # fmt: skip
    LogPart.objects.create(operation=operation, first=1, lines=[[now.timestamp(), "INFO", LONG]])
    ChoreRun.objects.update_or_create(
        name="sessions.prune", defaults={"next_at": now, "owner": MARKUP, "result": LONG[:300], "error": LONG}
    )
    Group.objects.create(name=NAME)
    TokenFamily.objects.create(
        user=user,
        refresh_id="r",
        address=MARKUP,
        client=LONG[:200],
        created_at=now,
        refreshed_at=now,
        expires_at=now + timedelta(days=1),
        revoked_why="logout",
    )
    machine_tokens.issue(
        NAME,
        user,
        Issuer(NAME, "command"),
        permissions=["monitoring.view_service"],
        groups=[NAME],
        tags=[NAME],
        days=1,
    )
    record(
        "service.restart",
        who=NAME,
        source="api",
        user=user,
        address=MARKUP,
        target=f"service:{MARKUP}",
        target_name=LONG,
        detail=LONG,
        operation_id=operation.pk,
    )
    publish("service", MARKUP, {"name": LONG})


@pytest.fixture
def page(planted: Planted, browser: Browser) -> Iterator[Page]:
    context: BrowserContext = new_context(browser, planted.running, None)
    for name, value in planted.client.cookies.items():
        context.add_cookies([{"name": name, "value": value, "url": planted.running.url}])
    context.add_init_script(f"({_WATCH})()")
    faults = watch_for_faults(context)
    dialogs: list[str] = []
    made = context.new_page()

    def opened(shown: Dialog) -> None:
        dialogs.append(shown.message)
        shown.dismiss()

    made.on("dialog", opened)
    yield made
    context.close()
    assert faults == []
    assert dialogs == []


def nothing_ran(page: Page) -> None:
    assert page.evaluate("[...window.broken, ...window.inserted()]") == [], page.url


def visit(page: Page, path: str) -> str:
    """Open a page; return the text that a reader sees, and what is typed into its fields."""
    page.goto(path, wait_until="domcontentloaded")
    nothing_ran(page)
    seen: str = page.evaluate(
        "document.body.textContent + [...document.querySelectorAll('input, textarea')].map(f => f.value)"
    )
    return seen


def test_no_page_runs_what_stands_in_a_name_or_comes_by_an_event(planted: Planted, page: Page) -> None:
    rows = planted.rows
    service, workstation = (
        f"/monitoring/services/{KEY}/",
        f"/workstations/{rows['workstations.workstation']}/",
    )
    operation = f"/operations/{rows['operations.operation']}/"
    live = ["/monitoring/", service, "/monitoring/connections/", "/workstations/", workstation]
    for path in [*live, "/operations/", operation, "/operations/chores/"]:
        page.goto(path)
        expect_link(page, "live")
        assert MARKUP in page.locator("body").inner_text(), path
        if path == service:
            expect(page.locator("#log")).to_contain_text(LONG)
        later(planted, path)
        if path in ("/monitoring/", "/operations/", "/workstations/", service):
            expect(page.locator("body")).to_contain_text(LATER + path)
        nothing_ran(page)
    page.goto(service)
    expect_link(page, "live")
    page.locator('[data-action="stop"]').first.click()
    expect(page.locator("#confirm")).to_contain_text(MARKUP)
    nothing_ran(page)


def later(planted: Planted, path: str) -> None:
    """Change names and ask for something while a page is open."""
    text = LATER + path
    with planted.running.instance.database(), transaction.atomic():
        row = Service.objects.get(key=KEY)
        row.name = text
        row.save()
        pc = Workstation.objects.get(pk=planted.rows["workstations.workstation"])
        pc.name = text[:60]
        pc.save()
    planted.client.post(f"/api/services/{KEY}/auto-recovery", json={"enabled": True, "reason": text})


def test_no_page_runs_what_stands_in_its_address(page: Page, planted: Planted) -> None:
    bad = quote(LONG)
    for path in (
        f"/monitoring/?search={bad}&group={bad}&state={bad}#{bad}",
        f"/workstations/?search={bad}&tag={bad}#{bad}",
        f"/operations/?requested_by={bad}&target={bad}&kind={bad}&batch={bad}&status={bad}",
        f"/monitoring/services/{quote(LONG.replace('/', '-'))}/",
        f"/{bad}",
        f"/admin/{bad}/",
        f"/admin/operations/operation/?q={bad}",
        f"/admin/audit/auditentry/?q={bad}&who={bad}",
        f"/api/docs?x={bad}#{bad}",
    ):
        visit(page, path)
        nothing_ran(page)
    page.context.clear_cookies()
    visit(page, f"/login/?next={bad}")


def test_no_page_of_the_admin_runs_what_stands_in_a_name(page: Page, planted: Planted) -> None:
    shown = {}
    for model in admin.site._registry:
        label = model._meta.label_lower
        base = f"/admin/{label.replace('.', '/')}/"
        seen = visit(page, base)
        if (pk := planted.rows.get(label)) is not None:
            seen += visit(page, f"{base}{quote(str(pk), safe='')}/change/")
            visit(page, f"{base}{quote(str(pk), safe='')}/history/")
            if "/delete/" in page.content() or label in ("auth.group", "monitoring.service"):
                visit(page, f"{base}{quote(str(pk), safe='')}/delete/")
        shown[label] = MARKUP in seen or "ran(" in seen
    visit(page, "/admin/")
    silent = {label for label, there in shown.items() if not there}
    assert silent <= {"events.streamworker", "events.tick"}, "what was planted has to be seen"


def test_what_the_admin_says_after_saving_runs_nothing(page: Page, planted: Planted) -> None:
    visit(page, f"/admin/auth/group/{planted.rows['auth.group']}/change/")
    page.locator('[name="_continue"]').click()
    expect(page.locator(".messagelist")).to_contain_text(MARKUP)
    nothing_ran(page)


def test_these_tests_would_notice(page: Page, planted: Planted) -> None:
    """Markup that a page did insert, and a script that did run, are seen."""
    page.goto("/monitoring/", wait_until="domcontentloaded")
    page.evaluate("(markup) => { document.body.insertAdjacentHTML('beforeend', markup); }", "<x-e></x-e>")
    assert page.evaluate("window.inserted()")
    page.wait_for_function("window.broken.length > 0")
