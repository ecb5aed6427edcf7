"""An export is a file whose import changes nothing, on both databases."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medimgr.events.models import Event
from medimgr.lib.toml_lines import Lines
from monitoring.importers import placeholders
from monitoring.importers.toml import import_services
from monitoring.importers.toml_writing import export_services, secret_variables
from monitoring.models import Dependency, Service
from tests.factories import make_service
from tests.monitoring.importing.files import DEMO, NODE, faults_of, load, what_changed

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
braced = st.lists(st.sampled_from(["{", "}", "python", "project", "x", "/"]), max_size=12).map("".join)
seconds = st.floats(0.1, 300, allow_nan=False)
declarations = st.fixed_dictionaries(
    {},
    optional={
        "name": texts.filter(bool),
        "description": texts,
        "group": texts,
        "command": st.lists(texts | braced, max_size=6).map(lambda rest: [sys.executable, *rest]),
        "env": st.dictionaries(
            st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,40}\Z"), texts | braced | st.integers(), max_size=6
        ),
        "autostart": st.booleans(),
        "priority": st.integers(-1000, 1000),
        "start_seconds": seconds,
        "stop_timeout_seconds": seconds,
        "restart_policy": st.sampled_from(["always", "on-failure", "never"]),
        "success_exit_codes": st.lists(st.integers(0, 255), min_size=1, max_size=5),
        "max_failures": st.integers(0, 10),
        "health_kind": st.just("tcp"),
        "ports": st.lists(st.integers(1, 65535), max_size=4, unique=True),
        "warning": texts,
        "umask": st.sampled_from(["", "027", "77"]),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=declarations)
def test_importing_an_export_changes_nothing(tmp_path: Path, fields: dict[str, Any]) -> None:
    Service.objects.all().delete()
    make_service("web.1", health_port=80, **fields)
    before = Service.objects.values().get()
    text = export_services(Service.objects.all())
    assert what_changed(load(tmp_path, text)) == {"web.1": "unchanged"}
    assert Service.objects.values().get() == before
    # Into an empty database it makes the same service again.
    Service.objects.all().delete()
    load(tmp_path, text)
    assert export_services(Service.objects.all()) == text


@settings(max_examples=40, deadline=None)
@given(fields=declarations)
def test_each_key_of_an_export_is_found_on_its_line(fields: dict[str, Any]) -> None:
    Service.objects.all().delete()
    make_service("web.1", health_port=80, **fields)
    text = export_services(Service.objects.all())
    lines = Lines(text)
    for name in tomllib.loads(text)["services"]["web.1"]:
        line = text.split("\n")[lines.of("services", "web.1", name) - 1]
        assert line.startswith((f"{name} =", f'[services."web.1".{name}]'))


@given(text=braced | texts)
def test_escaped_text_resolves_to_itself(text: str) -> None:
    assert placeholders.resolve(placeholders.escape(text)) == text
    assert placeholders.resolve(placeholders.generalise(text)) == text


def test_the_demo_comes_back_as_it_was(tmp_path: Path) -> None:
    import_services(DEMO, node=NODE)
    text = export_services(Service.objects.all())
    assert '"{python}"' in text
    assert 'cwd = "{project}"' in text
    events = Event.objects.count()
    assert set(what_changed(load(tmp_path, text)).values()) == {"unchanged"}
    assert Event.objects.count() == events


def test_what_is_needed_is_exported(tmp_path: Path) -> None:
    Dependency.objects.create(service=make_service("b"), needs=make_service("a"), condition="healthy")
    text = export_services(Service.objects.all())
    Service.objects.get(key="b").delete()
    load(tmp_path, text)
    assert Dependency.objects.get().condition == "healthy"


def test_our_own_processes_are_left_out() -> None:
    make_service("web", builtin=True)
    assert "[services" not in export_services(Service.objects.all())


def test_secrets_can_be_left_out_and_are_kept_by_an_import(tmp_path: Path) -> None:
    env = {"API_TOKEN": "s3cret", "DATABASE_URL": "postgresql://u:hunter2@db/x", "PORT": "1"}
    make_service("web", env=env)
    text = export_services(Service.objects.all(), without_secrets=True)
    assert "s3cret" not in text
    assert "hunter2" not in text
    assert 'env_kept = ["API_TOKEN", "DATABASE_URL"]' in text
    assert what_changed(load(tmp_path, text)) == {"web": "unchanged"}
    assert Service.objects.get().env == env
    Service.objects.all().delete()
    assert "There is no value of API_TOKEN to keep." in faults_of(tmp_path, text)[0].message


def test_whoever_exports_is_told_what_looks_like_a_secret() -> None:
    make_service("web", env={"API_TOKEN": "s3cret", "PORT": "1"})
    assert secret_variables(Service.objects.all()) == ["web: API_TOKEN"]


def test_an_export_takes_two_queries_however_many_services_there_are(
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(20):
        make_service(f"s{number}")
    with django_assert_max_num_queries(2):
        export_services(Service.objects.all())
