"""The same fault is told with the same code and the same sentence in the command, the API and the page."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from playwright.sync_api import Page, expect

from operations.models import Operation
from tests.e2e.conftest import RunningMedimgr

pytestmark = pytest.mark.e2e

HARMLESS = "service:incentive-system"
NOBODY = 999_999_999
ON, OFF = "service.auto-recovery-on", "service.auto-recovery-off"


@dataclass(frozen=True)
class Asking:
    """A request that can't be accepted."""

    kind: str = ON
    target: str = HARMLESS
    parameters: dict[str, Any] = field(default_factory=dict)
    priority: int = 0
    reason: str = ""


ASKED_WRONGLY = {
    "unknown-kind": Asking(kind="service.fly"),
    "bad-parameters": Asking(kind="service.stop", parameters={"force": "perhaps", "how": "gently"}),
    "bad-parameters (another type of target)": Asking(target="workstation:1"),
    "bad-parameters (priority)": Asking(priority=101),
    "target-gone": Asking(target="service:nobody"),
    "target-gone (no number)": Asking(kind="workstation.test-connection", target="workstation:quiet"),
}

GONE: dict[str, Any] = {"target_key": "was-deleted"}
ASKED_AGAIN_WRONGLY: dict[str, dict[str, Any]] = {
    "unknown-kind": {"kind": "service.fly"},
    "bad-parameters": {"kind": "service.stop", "parameters": {"force": "perhaps"}},
    "target-gone": GONE,
    "not-retryable": {"status": "SUCCESS", "error_code": ""},
}


def failed(**fields: Any) -> Operation:
    """Store an operation that has failed, or whatever ``fields`` say."""
    now = timezone.now()
    values = {
        "kind": ON,
        "target_type": "service",
        "target_key": "incentive-system",
        "queue": "node:testnode",
        "requester": "alice",
        "source": "api",
        "status": "FAILED",
        "error_code": "lease-lost",
        "created_at": now,
        "run_after": now,
        "deadline_at": now,
        "started_at": now,
        "finished_at": now,
    }
    return Operation.objects.create(**values | fields)


def by_command(running: RunningMedimgr, *arguments: str) -> tuple[str, str]:
    with running.instance.database(), pytest.raises(CommandError) as caught:
        call_command("operations", *arguments)
    assert caught.value.returncode == 1
    code, _, detail = str(caught.value).partition(": ")
    return code, detail


def by_api(running: RunningMedimgr, path: str, body: Any = None, **headers: str) -> tuple[str, str]:
    answer = running.client.post(f"/api/operations{path}", json=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    document = answer.json()
    return document["code"], document["detail"]


def by_page(page: Page, path: str, body: Any = None) -> tuple[str, str]:
    told = page.evaluate(
        "([path, body]) => medimgr.api.post(path, body).then(() => ['', ''], (e) => [e.code, e.message])",
        [f"/api/operations{path}", body],
    )
    return told[0], told[1]


@pytest.mark.parametrize("fault", ASKED_WRONGLY)
def test_what_cannot_be_asked_for(running: RunningMedimgr, page: Page, fault: str) -> None:
    asking = ASKED_WRONGLY[fault]
    body = {
        "kind": asking.kind,
        "target": asking.target,
        "parameters": asking.parameters,
        "priority": asking.priority,
    }
    page.goto("/operations/")
    told = by_api(running, "", body)
    assert told[0] == fault.partition(" ")[0]
    assert by_page(page, "", body) == told
    arguments = ["--parameters", json.dumps(asking.parameters), "--priority", str(asking.priority)]
    assert by_command(running, "ask", asking.kind, asking.target, *arguments) == told


@pytest.mark.parametrize("fault", ASKED_AGAIN_WRONGLY)
def test_what_cannot_be_asked_for_again(running: RunningMedimgr, page: Page, fault: str) -> None:
    with running.instance.database():
        operation = failed()
    page.goto(operation.get_absolute_url())
    # What the button was allowed for has changed since the page was made.
    with running.instance.database():
        Operation.objects.filter(pk=operation.pk).update(**ASKED_AGAIN_WRONGLY[fault])
    told = by_api(running, f"/{operation.pk}/retry")
    assert told[0] == fault
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator(".notice")).to_contain_text(told[1])
    assert by_page(page, f"/{operation.pk}/retry") == told
    assert by_command(running, "retry", str(operation.pk)) == told


def test_an_operation_that_is_gone(running: RunningMedimgr, page: Page) -> None:
    page.goto("/operations/")
    for act in ("retry", "cancel"):
        told = by_api(running, f"/{NOBODY}/{act}")
        assert told[0] == "operation-gone"
        assert by_page(page, f"/{NOBODY}/{act}") == told
        assert by_command(running, act, str(NOBODY)) == told


def test_what_has_ended_cannot_be_cancelled(running: RunningMedimgr, page: Page) -> None:
    page.goto("/operations/")
    with running.instance.database():
        pk = failed().pk
    told = by_api(running, f"/{pk}/cancel")
    assert told[0] == "not-cancellable"
    assert by_page(page, f"/{pk}/cancel") == told
    assert by_command(running, "cancel", str(pk)) == told


@pytest.mark.parametrize(
    ("hours", "kept"), [("-1", "0"), ("nan", "0"), ("soon", "0"), ("1e12", "0"), ("1", "-3")]
)
def test_an_age_or_number_that_is_none(running: RunningMedimgr, page: Page, hours: str, kept: str) -> None:
    wanted = {"keep_hours": hours, "keep_per_target": kept}
    answer = running.client.delete("/api/operations/cleanup", params=wanted)
    told = answer.json()["code"], answer.json()["detail"]
    assert told[0] == "bad-parameters"
    page.goto("/operations/")
    script = "(kept) => medimgr.api.cleanUp(kept).then(() => ['', ''], (e) => [e.code, e.message])"
    assert tuple(page.evaluate(script, wanted)) == told
    with running.instance.database(), pytest.raises(CommandError) as caught:
        call_command("purge_operations", f"--keep-hours={hours}", f"--keep-per-target={kept}")
    assert (str(caught.value), caught.value.returncode) == (f"{told[0]}: {told[1]}", 2)
    parameters = json.dumps(wanted)
    assert by_command(running, "ask", "operations.purge", "operations", "--parameters", parameters) == told
    page.goto("/admin/operations/operation/purge/")
    page.get_by_label("Keep hours").fill(hours)
    page.get_by_label("Keep per target").fill(kept)
    page.locator("#content form").get_by_role("button").first.click()
    expect(page.locator("#content")).to_contain_text(told[1])


def test_a_key_that_is_used_for_another_request(running: RunningMedimgr) -> None:
    """The page sends no key: its requests follow upon a click."""

    def asked(kind: str) -> dict[str, Any]:
        return {"kind": kind, "target": HARMLESS}

    key = "at-every-door"
    running.client.post(
        "/api/operations", json=asked(ON), headers={"Idempotency-Key": key}
    ).raise_for_status()
    code, detail = by_api(running, "", asked(OFF), **{"Idempotency-Key": key})
    assert code == "idempotency-key-reused"
    running.instance.wait_for(lambda: not active(running), 20, "the first is carried out")
    with running.instance.database():
        call_command("operations", "ask", ON, HARMLESS, "--key", key)
    assert without_numbers(by_command(running, "ask", OFF, HARMLESS, "--key", key)) == without_numbers(
        (code, detail)
    )


def active(running: RunningMedimgr) -> bool:
    with running.instance.database():
        return Operation.objects.active().exists()


def without_numbers(told: tuple[str, str]) -> tuple[str, str]:
    """Leave out of which operation it is, which differs."""
    return told[0], re.sub(r"\d+", "N", told[1])
