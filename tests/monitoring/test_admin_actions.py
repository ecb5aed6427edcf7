"""Actions in the admin only enqueue operations, ask where there is a warning, and say what came of it."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from monitoring.models import Service
from operations.models import Operation
from operations.states import Status
from tests.api import client_of
from tests.factories import make_node, make_service

pytestmark = pytest.mark.django_db

LIST = "/admin/monitoring/service/"


@pytest.fixture
def site(alice: User) -> Client:
    return client_of(alice)


def act(site: Client, action: str, *services: Service, query: str = "", **more: Any) -> Any:
    data = {"action": action, "_selected_action": [service.pk for service in services], **more}
    return site.post(LIST + query, data)


def said(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def asked() -> list[tuple[str, str]]:
    return list(Operation.objects.order_by("id").values_list("kind", "target_key"))


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("start", "service.start"),
        ("stop", "service.stop"),
        ("restart", "service.restart"),
        ("rolling_restart", "service.restart"),
        ("auto_recovery_on", "service.auto-recovery-on"),
        ("auto_recovery_off", "service.auto-recovery-off"),
    ],
)
def test_each_selected_service_gets_an_operation(site: Client, action: str, kind: str) -> None:
    answer = act(site, action, make_service("a"), make_service("b"))
    assert answer.status_code == 302
    assert asked() == [(kind, "a"), (kind, "b")]
    first = Operation.objects.order_by("id")[0]
    assert (first.requester, first.source, first.queue) == ("alice", "admin", "node:testnode")
    assert first.get_absolute_url() in said(answer)[0]
    [batch] = Operation.objects.order_by().values_list("batch", flat=True).distinct()
    assert f'href="/operations/?batch={batch}"' in said(answer)[-1]


@pytest.mark.parametrize(("action", "rolling"), [("restart", False), ("rolling_restart", True)])
def test_restarts_go_together_or_one_after_the_other(site: Client, action: str, rolling: bool) -> None:
    act(site, action, make_service("web", instances=2), Service.objects.get(key="web-2"))
    assert [row.parameters for row in Operation.objects.all()] == [{"rolling": rolling}] * 2


@pytest.mark.parametrize("action", ["stop", "restart", "rolling_restart"])
def test_a_warning_is_shown_and_asked_about_before_a_process_ends(site: Client, action: str) -> None:
    careful = make_service("careful", warning="Votes are being counted.")
    plain = make_service("plain")
    page = act(site, action, careful, plain)
    assert page.status_code == 200
    assert "Votes are being counted." in page.content.decode()
    assert not Operation.objects.exists()

    answer = site.post(
        LIST,
        {
            "action": action,
            "_selected_action": careful.pk,
            "select_across": "1",
            "confirmed": page.context["confirmed"],
            "reason": "maintenance",
        },
    )
    assert answer.status_code == 302
    kind = f"service.{action.removeprefix('rolling_')}"
    assert asked() == [(kind, "careful"), (kind, "plain")]
    assert set(Operation.objects.values_list("reason", flat=True)) == {"maintenance"}


def test_a_start_needs_no_question(site: Client) -> None:
    act(site, "start", make_service("careful", warning="Votes are being counted."))
    assert asked() == [("service.start", "careful")]


def test_the_answer_counts_for_what_was_listed_and_nothing_else(site: Client) -> None:
    careful = make_service("careful", warning="Careful.")
    page = act(site, "stop", careful)
    make_service("newcomer")
    site.post(
        LIST,
        {
            "action": "stop",
            "_selected_action": careful.pk,
            "select_across": "1",
            "confirmed": page.context["confirmed"],
        },
    )
    assert asked() == [("service.stop", "careful")]


@pytest.mark.parametrize("confirmed", ["", "x", "1;drop", "-1", ",,", "²"])
def test_nonsense_in_the_answer_selects_nothing(site: Client, confirmed: str) -> None:
    careful = make_service("careful", warning="Careful.")
    answer = act(site, "stop", careful, confirmed=confirmed)
    assert answer.status_code == 302
    assert not Operation.objects.exists()


def test_selecting_across_pages_means_all_that_match(site: Client) -> None:
    make_node()
    for number in range(120):  # more than a page of the list
        make_service(f"s{number:03}", group="many")
    other = make_service("other", group="few")
    first = Service.objects.get(key="s000")
    answer = act(site, "start", first, query="?group=many", select_across="1")
    assert answer.status_code == 302
    assert Operation.objects.count() == 120
    assert not Operation.objects.filter(target_key=other.key).exists()
    assert len(said(answer)) == 12
    assert "110 more" in said(answer)[-1]


def test_more_than_a_thousand_can_be_confirmed_in_one_form(site: Client) -> None:
    careful = make_service("careful", warning="Careful.")
    listed = ",".join([str(careful.pk), *(str(pk) for pk in range(10_000, 12_000))])
    answer = act(site, "stop", careful, select_across="1", confirmed=listed)
    assert answer.status_code == 302
    assert asked() == [("service.stop", "careful")]


def test_a_busy_service_is_said_so_and_holds_up_no_other(site: Client) -> None:
    busy, free = make_service("busy"), make_service("free")
    act(site, "restart", busy)
    Operation.objects.update(status=Status.RUNNING)
    answer = act(site, "restart", busy, free)
    assert asked() == [("service.restart", "busy"), ("service.restart", "free")]
    words = said(answer)
    assert any("busy" in text and "refused" in text and "operation" in text for text in words)


def test_an_action_without_its_permission_is_neither_offered_nor_accepted(bob: User) -> None:
    bob.user_permissions.add(Permission.objects.get(codename="start_service"))
    service = make_service("a")
    site = client_of(bob)
    page = site.get(LIST).content.decode()
    assert 'value="start"' in page
    assert 'value="stop"' not in page
    act(site, "stop", service)
    assert not Operation.objects.exists()
    act(site, "start", service)
    assert asked() == [("service.start", "a")]


def test_a_get_never_acts(site: Client) -> None:
    service = make_service("a")
    site.get(LIST, {"action": "stop", "_selected_action": str(service.pk)})
    assert not Operation.objects.exists()


def test_the_buttons_of_a_service_s_page_do_the_same(site: Client) -> None:
    service = make_service("a")
    page = site.get(reverse("admin:monitoring_service_change", args=[service.pk])).content.decode()
    for verb in ("start", "stop", "restart"):
        assert f'name="action" value="{verb}"' in page
    assert f'name="_selected_action" value="{service.pk}"' in page
    assert f'action="{LIST}"' in page


def test_an_operation_can_be_cancelled_and_asked_for_again(site: Client) -> None:
    act(site, "start", make_service("a"))
    operation = Operation.objects.get()
    path = "/admin/operations/operation/"
    answer = site.post(path, {"action": "cancel", "_selected_action": operation.pk})
    operation.refresh_from_db()
    assert operation.status == Status.CANCELLED
    assert operation.get_absolute_url() in said(answer)[0]
    again = site.post(path, {"action": "cancel", "_selected_action": operation.pk})
    assert "refused" in said(again)[-1]
    site.post(path, {"action": "ask_again", "_selected_action": operation.pk})
    assert Operation.objects.latest("id").retry_of == operation


def test_a_viewer_cannot_cancel(site: Client, bob: User) -> None:
    act(site, "start", make_service("a"))
    operation = Operation.objects.get()
    path = "/admin/operations/operation/"
    client_of(bob).post(path, {"action": "cancel", "_selected_action": operation.pk})
    operation.refresh_from_db()
    assert operation.status == Status.PENDING
