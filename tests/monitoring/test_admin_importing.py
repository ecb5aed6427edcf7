"""The admin's import page: what would change is shown first, and written only once it is confirmed."""

import sys

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from monitoring.models import Service, ServiceStatus
from operations.models import Operation
from tests.api import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

TEXT = f"""\
[program:web]
command = {sys.executable} -c pass
environment = API_TOKEN="s3cret"
stdout_logfile = /var/log/web.log
"""


def address() -> str:
    return reverse("admin:monitoring_service_import")


def test_the_list_leads_to_the_page(alice: User) -> None:
    client = client_of(alice)
    assert address() in client.get(reverse("admin:monitoring_service_changelist")).content.decode()
    page = client.get(address()).content.decode()
    assert 'enctype="multipart/form-data"' in page
    assert "supervisord" in page


def test_a_pasted_text_is_shown_first_and_imported_once_confirmed(alice: User) -> None:
    client = client_of(alice)
    shown = client.post(address(), {"text": TEXT.replace("\n", "\r\n"), "format": "supervisord"})
    page = shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert "1 service: 1 would be created." in page
    assert "env.API_TOKEN" in page
    assert "[program:web] stdout_logfile: Its output goes to a log" in page
    assert Service.objects.count() == 0
    source = shown.context["sources"][0]
    confirmed = {"format": "supervisord", "source_name": source.name, "source_text": source.text}
    answer = client.post(address(), {**confirmed, "confirmed": "Import"}, follow=True)
    assert "1 service: 1 created." in answer.content.decode()
    assert Service.objects.get().env == {"API_TOKEN": "s3cret"}


def test_what_differs_is_shown_without_values_of_variables(alice: User) -> None:
    client = client_of(alice)
    client.post(
        address(), {"source_name": "a", "source_text": TEXT, "format": "supervisord", "confirmed": "1"}
    )
    text = TEXT.replace("s3cret", "another")
    page = client.post(address(), {"text": text, "format": "supervisord"}).content.decode()
    table = page[page.index("What would change") :]
    table = table[: table.index("</table>")]
    assert "••••••" in table
    assert "another" not in table
    assert "restart needed" in table


def test_faults_leave_the_text_for_correction(alice: User) -> None:
    text = TEXT.replace("API_TOKEN=", "API_TOKEN")
    page = client_of(alice).post(address(), {"text": text, "format": "supervisord"}).content.decode()
    assert "Nothing was imported. Correct this first:" in page
    assert "line 3: [program:web] environment: Write NAME=" in page
    assert "[program:web]" in page[page.index("<textarea") :]


def test_uploaded_units_are_imported_together(alice: User) -> None:
    files = [
        SimpleUploadedFile(f"{name}.service", f"[Service]\nExecStart={sys.executable} -c pass\n".encode())
        for name in ("a", "b")
    ]
    page = client_of(alice).post(address(), {"file": files}).content.decode()
    assert "2 services: 2 would be created." in page


def test_an_upload_without_end_is_refused(alice: User) -> None:
    file = SimpleUploadedFile("a.toml", b"#" * (1024 * 1024 + 1))
    page = client_of(alice).post(address(), {"file": file}).content.decode()
    assert "a.toml: It is larger than 1 MiB" in page


def test_running_services_are_restarted_where_that_is_wanted(alice: User) -> None:
    client = client_of(alice)
    carried = {"source_name": "a", "format": "supervisord", "confirmed": "1"}
    client.post(address(), {**carried, "source_text": TEXT})
    ServiceStatus.objects.update(state="RUNNING")
    page = client.post(address(), {**carried, "source_text": TEXT.replace("s3cret", "b")}, follow=True)
    assert "Restart to apply: web." in page.content.decode()
    page = client.post(
        address(), {**carried, "source_text": TEXT.replace("s3cret", "c"), "restart": "on"}, follow=True
    )
    assert "Restarts were asked for: web." in page.content.decode()
    assert Operation.objects.count() == 1


def test_who_may_only_look_may_not_import(bob: User) -> None:
    assert client_of(bob).get(address()).status_code == 403
    assert client_of(bob).post(address(), {"text": TEXT, "confirmed": "1"}).status_code == 403
    assert Service.objects.count() == 0


def test_nothing_is_imported_without_the_token(alice: User) -> None:
    client = client_of(alice, csrf=True)
    data = {"source_name": "a", "source_text": TEXT, "format": "supervisord", "confirmed": "1"}
    assert client.post(address(), data).status_code == 403
    assert Service.objects.count() == 0
