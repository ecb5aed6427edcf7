"""Every field of a declaration can be changed in the admin, lists and tables as people write them."""

import sys
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.importers.document import FIELDS
from monitoring.models import Node, Service
from tests.factories import make_node, make_service
from tests.monitoring.test_admin_declaring import ADD, CHANGE, declare, errors_of, form_of, needs

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(alice: User) -> Client:
    alice.user_permissions.add(Permission.objects.get(codename="change_node"))
    alice.user_permissions.add(Permission.objects.get(codename="view_node"))
    client = Client()
    client.force_login(alice)
    return client


def test_every_field_that_a_file_may_hold_has_its_place_in_the_form(site: Client) -> None:
    page = site.get(reverse(ADD))
    shown = {name for fieldset in page.context["adminform"] for line in fieldset for name in line.fields}
    assert set(FIELDS) <= shown


def test_every_field_has_a_label_and_tells_what_it_is(site: Client) -> None:
    """A screen reader says the label, and the help with it."""
    html = site.get(reverse(ADD)).content.decode()
    for name in FIELDS:
        assert f'for="id_{name}"' in html, name
    for name in ("rlimits", "stop_command", "schedule", "min_ready", "success_signals"):
        assert f'id="id_{name}_helptext"' in html, name


def test_lists_and_tables_are_typed_as_anywhere_else(site: Client) -> None:
    shell = f"{sys.executable} -c 'print(\"two words\")'"
    answer = declare(
        site,
        rlimits="nofile=1024:4096\n\nCORE = unlimited\nnproc=10:unlimited",
        success_signals="TERM, sigint SIGUSR1",
        fatal_exit_codes="78, 79",
        stop_command=shell,
        pre_start_command=shell,
        post_start_command=shell,
        pre_stop_command=shell,
        post_stop_command=shell,
        health_kind="exec",
        health_command=shell,
        nice="-5",
    )
    assert answer.status_code == 302
    service = Service.objects.get(key="web")
    command = [sys.executable, "-c", 'print("two words")']
    assert service.rlimits == {"nofile": [1024, 4096], "core": "unlimited", "nproc": [10, "unlimited"]}
    assert service.success_signals == ["SIGTERM", "SIGINT", "SIGUSR1"]
    assert service.fatal_exit_codes == [78, 79]
    assert service.stop_command == service.health_command == service.pre_start_command == command
    assert service.post_start_command == service.pre_stop_command == service.post_stop_command == command
    assert service.nice == -5


@pytest.mark.parametrize(
    "fields",
    [
        {"rlimits": {"nofile": [1024, "unlimited"], "core": 0}},
        {"success_signals": ["SIGTERM"], "fatal_exit_codes": [78]},
        {"pre_start_command": [sys.executable, "-c", "a b\nc", ""], "nice": 0},
        {"nice": None, "ready_port": None, "health_port": None},
    ],
)
def test_saving_an_untouched_form_changes_nothing(site: Client, fields: dict[str, Any]) -> None:
    service = make_service("web", **fields)
    address = reverse(CHANGE, args=[service.pk])
    before = Service.objects.values(*FIELDS).get(pk=service.pk)
    assert site.post(address, form_of(site, address)).status_code == 302
    assert Service.objects.values(*FIELDS).get(pk=service.pk) == before


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"rlimits": "nofile"}, "rlimits", "Line 1 is no limit"),
        ({"rlimits": "nofile=many"}, "rlimits", "'many' is no limit of nofile"),
        ({"rlimits": "nofile=1\nNOFILE=2"}, "rlimits", "set twice"),
        ({"rlimits": "nofile=2:1"}, "rlimits", "above the hard one"),
        ({"rlimits": "nofile=1:2:3"}, "rlimits", "a list of two"),
        ({"rlimits": "files=1"}, "rlimits", "There is no limit 'files'"),
        ({"success_signals": "TERM NOPE"}, "success_signals", "no signal 'SIGNOPE'"),
        ({"fatal_exit_codes": "0"}, "fatal_exit_codes", "a success too"),
        ({"stop_command": "sh -c 'oops"}, "stop_command", "quote is not closed"),
        ({"pre_start_command": "no-such-program-anywhere"}, "pre_start_command", "no program"),
        ({"user_group": "no-such-group-here"}, "user_group", "no group"),
        ({"nice": "30"}, "nice", "19"),
        ({"ready_kind": "log"}, "ready_pattern", "regular expression"),
        ({"ready_kind": "log", "ready_pattern": "(a+)+"}, "ready_pattern", "varies in itself"),
        ({"ready_kind": "tcp"}, "ready_port", "Give the port"),
        ({"health_kind": "exec"}, "health_command", "Give the command"),
        ({"instances": "2", "ports": "65535"}, "port_step", "65536"),
        ({"min_ready": "1"}, "min_ready", "no other copies"),
        ({"max_age_seconds": "1"}, "max_age_seconds", "all the time"),
        ({"max_cpu_seconds": "1"}, "max_cpu_seconds", "5"),
    ],
)
def test_what_is_wrong_is_said_once_at_its_field(
    site: Client, changes: dict[str, Any], field: str, words: str
) -> None:
    errors = errors_of(declare(site, **changes))
    assert list(errors) == [field]
    assert len(errors[field]) == 1
    assert words in errors[field][0]


def test_a_folded_group_opens_where_something_in_it_is_wrong(site: Client) -> None:
    html = declare(site, rlimits="nofile").content.decode()
    assert not is_folded(html, "rlimits")
    assert is_folded(html, "stop_command")


def is_folded(html: str, field: str) -> bool:
    before_the_field = html[: html.index(f'id="id_{field}"')]
    return "<details" in before_the_field[before_the_field.rindex("<fieldset") :]


def test_a_port_of_another_service_is_a_warning_and_no_error(site: Client) -> None:
    make_service("other", ports=[8002])
    answer = site.post(
        reverse(ADD),
        form_of(
            site,
            reverse(ADD),
            key="web",
            name="Web",
            node=make_node().pk,
            command=f"{sys.executable} -V",
            ports="8001",
            instances="2",
        ),
        follow=True,
    )
    assert Service.objects.filter(key="web").exists()
    assert "Port 8002 (of copy 2) is declared by other too" in answer.content.decode()


def test_a_copy_is_read_only_and_leads_to_its_original(site: Client) -> None:
    web = make_service("web", instances=2, env={"PASSWORD": "hunter2"})
    copy = Service.objects.get(instance_of=web)
    address = reverse(CHANGE, args=[copy.pk])
    html = site.get(address).content.decode()
    assert 'name="_save"' not in html
    assert f'Copy 2 of <a href="{reverse(CHANGE, args=[web.pk])}">' in html
    assert "hunter2" not in html
    assert site.post(address, {"name": "x"}).status_code == 403
    assert site.post(reverse("admin:monitoring_service_delete", args=[copy.pk])).status_code == 403


def test_a_node_has_its_limits_and_keeps_what_its_supervisor_reports(site: Client) -> None:
    node = make_node("alpha")
    address = reverse("admin:monitoring_node_change", args=[node.pk])
    data = form_of(site, address, start_concurrency="4", log_budget_mb="1000")
    assert set(data) == {"start_concurrency", "log_budget_mb"}
    beat = timezone.now()
    Node.objects.filter(pk=node.pk).update(epoch=7, heartbeat_at=beat)
    assert site.post(address, data).status_code == 302
    node.refresh_from_db()
    assert (node.start_concurrency, node.log_budget_mb) == (4, 1000)
    assert (node.epoch, node.heartbeat_at) == (7, beat)


def test_nodes_are_neither_added_nor_deleted_by_hand(site: Client) -> None:
    node = make_node("alpha")
    assert site.get(reverse("admin:monitoring_node_add")).status_code == 403
    assert site.post(reverse("admin:monitoring_node_delete", args=[node.pk])).status_code == 403


def test_success_is_exit_code_0_where_the_form_is_left_as_it_came(site: Client) -> None:
    assert declare(site).status_code == 302
    assert Service.objects.get(key="web").success_exit_codes == [0]


def test_whoever_waits_for_a_scheduled_service_waits_for_its_end(site: Client) -> None:
    nightly = make_service("nightly", schedule="30 2 * * *", restart_policy="never")
    web = make_service("web")
    address = reverse(CHANGE, args=[web.pk])
    answer = site.post(address, form_of(site, address, **needs(nightly)))
    assert answer.status_code == 200
    assert "wait for it with the condition &#x27;completed&#x27;" in answer.content.decode()
    completed = {**needs(nightly), "dependencies-0-condition": "completed"}
    assert site.post(address, form_of(site, address, **completed)).status_code == 302
