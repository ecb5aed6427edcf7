"""Declaring services in the admin: lists and variables as people write them, and what is refused."""

import json
import sys
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from medimgr.events.models import Event
from monitoring.models import Dependency, Service
from tests.factories import make_node, make_service

pytestmark = pytest.mark.django_db

ADD = "admin:monitoring_service_add"
CHANGE = "admin:monitoring_service_change"


@pytest.fixture
def site(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def form_of(site: Client, address: str, **changes: Any) -> dict[str, Any]:
    """Return what a browser would send back for the form at ``address``, with ``changes``."""
    page = site.get(address)
    assert page.status_code == 200
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for inline in page.context["inline_admin_formsets"]:
        for part in [inline.formset.management_form, *inline.formset.forms]:
            data |= {part.add_prefix(name): part[name].value() for name in part.fields}
    data |= changes
    return {name: value for name, value in data.items() if value is not None and value is not False}


def needs(*services: Service, initial: int = 0) -> dict[str, Any]:
    data: dict[str, Any] = {"dependencies-TOTAL_FORMS": len(services), "dependencies-INITIAL_FORMS": initial}
    for number, service in enumerate(services):
        data[f"dependencies-{number}-needs"] = service.pk
        data[f"dependencies-{number}-condition"] = "started"
    return data


def declare(site: Client, **changes: Any) -> Any:
    values = {
        "key": "web",
        "name": "Web",
        "node": make_node().pk,
        "command": f"{sys.executable} -m http.server 8001",
        **changes,
    }
    return site.post(reverse(ADD), form_of(site, reverse(ADD), **values))


def errors_of(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, "it was accepted"
    errors: dict[str, Any] = answer.context["adminform"].form.errors.get_json_data()
    return {field: [fault["message"] for fault in faults] for field, faults in errors.items()}


def test_a_service_is_declared_with_lists_as_people_write_them(site: Client) -> None:
    answer = declare(
        site,
        command=f'{sys.executable} -c \'print("two words")\' "a b"',
        env="PORT=8001\n\nGREETING = hello = there \n",
        ports="8001, 8002",
        success_exit_codes="0 2",
    )
    assert answer.status_code == 302
    service = Service.objects.get(key="web")
    assert service.command == [sys.executable, "-c", 'print("two words")', "a b"]
    assert service.env == {"PORT": "8001", "GREETING": "hello = there"}
    assert service.ports == [8001, 8002]
    assert service.success_exit_codes == [0, 2]
    assert service.status.state == "STOPPED"
    assert Event.objects.filter(topic="service", key="web").exists()


def test_json_is_understood_too(site: Client) -> None:
    command = [sys.executable, "-c", "x = 1\ny = 2"]
    declare(site, command=json.dumps(command), env='{"A": "1\\n2"}', ports="[8001]")
    service = Service.objects.get(key="web")
    assert (service.command, service.env, service.ports) == (command, {"A": "1\n2"}, [8001])


@pytest.mark.parametrize(
    "fields",
    [
        {"command": [sys.executable, "-c", "print('it''s')", "", "a b", 'q"uote', "line\nbreak", "$HOME *"]},
        {"env": {"A": "1", "B": "x=y", "EMPTY": ""}},
        {"env": {"KEY": "-----BEGIN\nline two\n-----END"}},
        {"env": {"SPACES": "  kept  "}},
        {"env": {"NUMBER": 8001}},
        {"ports": [], "success_exit_codes": [0, 2, 255]},
    ],
)
def test_saving_an_untouched_form_changes_nothing(site: Client, fields: dict[str, Any]) -> None:
    service = make_service("web", **fields)
    address = reverse(CHANGE, args=[service.pk])
    assert site.post(address, form_of(site, address)).status_code == 302
    again = Service.objects.get(pk=service.pk)
    for name, value in fields.items():
        stored = getattr(again, name)
        assert (
            {k: str(v) for k, v in stored.items()} == {k: str(v) for k, v in value.items()}
            if isinstance(value, dict)
            else stored == value
        )


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"command": ""}, "command", "required"),
        ({"command": "no-such-program-anywhere --x"}, "command", "no program 'no-such-program-anywhere'"),
        ({"command": "sh -c 'oops"}, "command", "quote is not closed"),
        ({"command": "[1, 2"}, "command", "begins like JSON"),
        ({"command": "[1, 2]"}, "command", "list of texts"),
        ({"cwd": "/no/such/place"}, "cwd", "no directory /no/such/place"),
        ({"user": "nobody-here-is-called-so"}, "user", "no account"),
        ({"umask": "999"}, "umask", "octal"),
        ({"env": "A=1\nsecret-without-equals"}, "env", "Line 2 has no '='"),
        ({"env": "A=1\nA=2"}, "env", "set twice"),
        ({"env": "1A=1"}, "env", "not a name"),
        ({"ports": "8001, eighty"}, "ports", "'eighty' is not a whole number"),
        ({"ports": "70000"}, "ports", "1 to 65535"),
        ({"ports": "8001 8001"}, "ports", "listed twice"),
        ({"stop_signal": "SIGNOPE"}, "stop_signal", "no signal"),
        ({"health_kind": "http", "health_url": "ftp://x"}, "health_url", "Write a URL"),
        ({"health_kind": "tcp"}, "health_port", "port"),
        ({"key": "Upper Case"}, "key", "lower-case"),
    ],
)
def test_bad_input_is_named_with_its_mend_and_nothing_is_lost(
    site: Client, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = declare(site, description="kept while it is mended", **changes)
    errors = errors_of(answer)
    assert list(errors) == [field]
    assert len(errors[field]) == 1, "one fault is said once"
    assert words in errors[field][0]
    assert "kept while it is mended" in answer.content.decode()
    assert not Service.objects.exists()


def test_a_line_that_may_be_half_a_secret_is_not_repeated_in_the_error(site: Client) -> None:
    errors = errors_of(declare(site, env="PASSWORD hunter2"))
    assert "hunter2" not in str(errors)


def test_a_dependency_cycle_is_refused_and_named(site: Client) -> None:
    a, b, c = make_service("a"), make_service("b"), make_service("c")
    Dependency.objects.create(service=a, needs=b)
    Dependency.objects.create(service=b, needs=c)
    address = reverse(CHANGE, args=[c.pk])
    answer = site.post(address, form_of(site, address, **needs(a)))
    assert answer.status_code == 200
    assert "a → b → c → a" in answer.content.decode()
    assert not c.dependencies.exists()


def test_a_service_that_needs_itself_is_refused(site: Client) -> None:
    a = make_service("a")
    address = reverse(CHANGE, args=[a.pk])
    answer = site.post(address, form_of(site, address, **needs(a)))
    assert "a → a" in answer.content.decode()
    assert not Dependency.objects.exists()


def test_dependencies_without_a_cycle_are_saved(site: Client) -> None:
    a, b = make_service("a"), make_service("b")
    address = reverse(CHANGE, args=[a.pk])
    assert site.post(address, form_of(site, address, **needs(b))).status_code == 302
    assert [row.needs for row in a.dependencies.all()] == [b]


def test_removing_a_dependency_may_break_up_a_cycle(site: Client) -> None:
    a, b = make_service("a"), make_service("b")
    Dependency.objects.create(service=a, needs=b)
    Dependency.objects.create(service=b, needs=a)
    address = reverse(CHANGE, args=[a.pk])
    answer = site.post(address, form_of(site, address, **{"dependencies-0-DELETE": "on"}))
    assert answer.status_code == 302
    assert not a.dependencies.exists()


def test_a_key_stays_as_it_is(site: Client) -> None:
    service = make_service("web")
    address = reverse(CHANGE, args=[service.pk])
    site.post(address, form_of(site, address, key="other", name="Renamed"))
    service.refresh_from_db()
    assert (service.key, service.name) == ("web", "Renamed")


def test_a_form_with_more_dependencies_asks_no_more_questions(site: Client) -> None:
    service = make_service("web")
    others = [make_service(f"needed{number}") for number in range(12)]
    address = reverse(CHANGE, args=[service.pk])

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert site.get(address).status_code == 200
        return len(asked)

    for other in others[:2]:
        Dependency.objects.create(service=service, needs=other)
    questions()
    few = questions()
    for other in others[2:]:
        Dependency.objects.create(service=service, needs=other)
    assert questions() == few


def test_who_may_only_look_sees_names_of_variables_and_no_values(bob: User, site: Client) -> None:
    service = make_service("web", env={"PASSWORD": "hunter2"})
    address = reverse(CHANGE, args=[service.pk])
    viewer = Client()
    viewer.force_login(bob)
    page = viewer.get(address).content.decode()
    assert "PASSWORD" in page
    assert "hunter2" not in page
    assert "hunter2" in site.get(address).content.decode()


def test_who_may_only_look_cannot_change(bob: User) -> None:
    service = make_service("web")
    viewer = Client()
    viewer.force_login(bob)
    assert viewer.post(reverse(CHANGE, args=[service.pk]), {"name": "x"}).status_code == 403
    assert viewer.get(reverse(ADD)).status_code == 403


def test_operating_does_not_include_declaring(bob: User) -> None:
    bob.user_permissions.add(
        *Permission.objects.filter(codename__in=["start_service", "stop_service", "restart_service"])
    )
    service = make_service("web")
    operator = Client()
    operator.force_login(bob)
    page = operator.get(reverse(CHANGE, args=[service.pk])).content.decode()
    assert 'value="stop"' in page, "the button is there"
    assert 'name="_save"' not in page
    assert operator.post(reverse(CHANGE, args=[service.pk]), {"command": "sh"}).status_code == 403


def test_medimgr_s_own_processes_are_read_only(site: Client) -> None:
    service = make_service("medimgr-web", builtin=True, env={"DJANGO_SECRET_KEY": "hunter2"})
    page = site.get(reverse(CHANGE, args=[service.pk])).content.decode()
    assert 'name="_save"' not in page
    assert "hunter2" not in page
    assert site.post(reverse(CHANGE, args=[service.pk]), {"name": "x"}).status_code == 403
    delete = reverse("admin:monitoring_service_delete", args=[service.pk])
    assert site.post(delete, {"post": "yes"}).status_code == 403
    assert Service.objects.filter(pk=service.pk).exists()
