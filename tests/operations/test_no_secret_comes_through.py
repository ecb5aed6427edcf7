"""What a handler lets slip is nowhere: not in the database, a log file, the API, a stream or a page."""

import base64
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from django.apps import apps
from pytest_django import DjangoDbBlocker

from operations import registry
from operations.log_reading import read_all
from operations.models import Operation
from tests.events.conftest import Site, running_site
from tests.operations.asking import ask, declare

pytestmark = [pytest.mark.both_databases]


class Spilled:
    """An installation in which two operations have tried to let secrets slip."""

    def __init__(self, site: Site) -> None:
        self.site = site
        # Of letters and digits, so that it can stand anywhere, and with what is written in another way.
        self.told = "told" + secrets.token_hex(8)
        self.known = f"kn0wn {secrets.token_hex(8)}/+\"'é"
        with site.instance.database():
            for name in ("service.spill", "service.crash"):
                declare(name)
            self.operations = [ask("service.spill", "one"), ask("service.crash", "two")]
        self.session = site.operator()
        with site.open(self.session, topics="operation", operation_log=self.operations[0].pk) as stream:
            worker = site.instance.start_command(
                [sys.executable, "-m", "tests.operations.talking_worker"],
                name="spilling",
                CANARY=self.known,
                CANARY_TOLD=self.told,
            )
            worker.wait(30)
            assert worker.returncode == 0, worker.output()
            told = [stream.next("operation_log", "operation", timeout=20)]
            while not (told[-1].name == "operation_log" and told[-1].data["complete"]):
                told.append(stream.next("operation_log", "operation", timeout=20))
            self.streamed = "\n".join(message.text for message in told)
        self.worker_output = worker.output()

    @property
    def forms(self) -> list[str]:
        """What must not be found anywhere."""
        core = self.known.split()[1][:16]
        return [
            self.told,
            self.known,
            core,
            quote(self.known, safe=""),
            json.dumps(self.known)[1:-1],
            base64.b64encode(self.known.encode()).decode().rstrip("="),
        ]

    def assert_nowhere(self, place: str, text: str) -> None:
        for form in self.forms:
            assert form not in text, f"{form!r} is in {place}"


@pytest.fixture(scope="module")
def spilled(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Spilled]:
    kinds = registry.all_kinds()
    try:
        with running_site(tmp_path_factory.mktemp("spilled"), django_db_blocker) as site:
            yield Spilled(site)
    finally:
        for name in registry.all_kinds().keys() - kinds.keys():
            registry.unregister(name)


def test_the_canaries_were_there_to_be_found(spilled: Spilled) -> None:
    """Everything else of what was said is stored, so the tests below look at the right place."""
    with spilled.site.instance.database():
        text = "\n".join(line.text for line in read_all(spilled.operations[0].pk))
        rows = Operation.objects.order_by("pk")
        assert [(row.status, row.error_code) for row in rows] == [
            ("FAILED", "spilled"),
            ("FAILED", "internal-error"),
        ]
        assert rows[0].error_detail.startswith("Cannot log in with ••••••")
        assert rows[0].progress_message.startswith("half, with ••••••")
    for kept in (
        "it is ••••••",
        "https://host/path?x=",
        "psql postgresql://user:••••••@host/db",
        "first",
        "last",
    ):
        assert kept in text
    assert "RuntimeError: ••••••" in spilled.worker_output


def test_no_table_holds_a_secret(spilled: Spilled) -> None:
    with spilled.site.instance.database():
        for model in apps.get_models():
            for row in model._default_manager.values():
                # As text, and with the escapes that JSON makes.
                for text in (
                    str(row),
                    json.dumps(row, default=str),
                    json.dumps(row, default=str, ensure_ascii=False),
                ):
                    spilled.assert_nowhere(model._meta.label, text)


def test_no_file_holds_a_secret(spilled: Spilled) -> None:
    """The database's own files too, where it is SQLite: also what was deleted or rolled back."""
    files = [path for path in Path(spilled.site.instance.directory).rglob("*") if path.is_file()]
    assert any(path.name.endswith("spilling.log") for path in files)
    for path in files:
        spilled.assert_nowhere(str(path), path.read_bytes().decode("utf-8", "replace"))


def test_no_stream_page_or_answer_tells_a_secret(spilled: Spilled) -> None:
    spilled.assert_nowhere("the stream", spilled.streamed)
    assert json.dumps("it is ••••••")[1:-1] in spilled.streamed
    base = f"http://127.0.0.1:{spilled.site.ports[0]}"
    with httpx.Client(base_url=base, cookies={"sessionid": spilled.session}, timeout=10) as client:
        for operation in spilled.operations:
            for address in (
                f"/operations/{operation.pk}/",
                f"/api/operations/{operation.pk}",
                f"/api/operations/{operation.pk}/log",
                f"/api/operations/{operation.pk}/log?download=true",
                f"/admin/operations/operation/{operation.pk}/change/",
                "/operations/",
                "/api/operations",
                "/events/poll/?topics=operation&last_event_id=0",
                "/admin/operations/operation/",
            ):
                answer = client.get(address)
                assert answer.status_code == 200, (address, answer.text[:300])
                spilled.assert_nowhere(address, answer.text)
