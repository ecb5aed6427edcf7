"""The first administrator: from the environment or with a random password, and only while there is none."""

import re
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "PASSWORD_FILE", "EMAIL"):
        monkeypatch.delenv(f"DJANGO_SUPERUSER_{name}", raising=False)


def create_first_admin() -> str:
    out = StringIO()
    call_command("create_first_admin", stdout=out, stderr=out)
    return out.getvalue()


def test_without_a_password_a_random_one_is_printed_and_works() -> None:
    shown = re.search(r"password:\s+(\S{24})\n", create_first_admin())
    assert shown
    admin = User.objects.get(username="admin")
    assert admin.is_superuser
    assert admin.is_staff
    assert admin.check_password(shown[1])


def test_a_second_time_it_says_and_changes_nothing() -> None:
    create_first_admin()
    before = User.objects.values_list("username", "password")
    assert create_first_admin() == ""
    assert list(User.objects.values_list("username", "password")) == list(before)


def test_the_environment_names_the_administrator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "ops")
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "ops@example.org")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    said = create_first_admin()
    assert "correct horse" not in said
    assert "weak" not in said
    ops = User.objects.get(is_superuser=True)
    assert (ops.username, ops.email) == ("ops", "ops@example.org")
    assert ops.check_password("correct horse battery")


def test_a_weak_password_is_taken_and_called_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "admin")
    said = create_first_admin()
    assert "weak: " in said
    assert User.objects.get(username="admin").check_password("admin")


def test_the_password_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse battery\n")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD_FILE", str(tmp_path / "password"))
    create_first_admin()
    assert User.objects.get(username="admin").check_password("correct horse battery")


def test_a_missing_password_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(CommandError, match=r"PASSWORD_FILE=/nowhere/password cannot be read \(No such file"):
        create_first_admin()
    assert not User.objects.exists()


def test_a_name_that_another_account_has_is_refused() -> None:
    User.objects.create_user("admin", password="somebody-else")
    with pytest.raises(CommandError, match="'admin' is taken by another account"):
        create_first_admin()
    assert not User.objects.filter(is_superuser=True).exists()


def test_a_name_that_django_does_not_allow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "no spaces please")
    with pytest.raises(CommandError, match="DJANGO_SUPERUSER_USERNAME"):
        create_first_admin()
