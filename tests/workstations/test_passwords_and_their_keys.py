"""Passwords are stored encrypted, keys can be changed without losing any, and each failure says its mend."""

import io
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import checks
from django.core.management import call_command
from django.core.management.base import CommandError

from medimgr.lib.sealing import NoKey, Unreadable, new_key, resealed
from workstations import passwords
from workstations.declaring import declare, redeclare
from workstations.models import Workstation
from workstations.passwords import BadPassword, rotate, unreadable

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

FIRST, SECOND = new_key(), new_key()


@pytest.fixture(autouse=True)
def keys(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = (FIRST,)


def stored(name: str = "pc-1", password: str = "s3cret ünd 漢字", **fields: Any) -> Workstation:
    return declare({"name": name, "host": f"{name}.example", **fields}, password)


def test_what_is_stored_is_not_the_password_but_gives_it_back() -> None:
    row = Workstation.objects.get(pk=stored().pk)
    assert "s3cret" not in row.password_sealed
    assert row.access().password == "s3cret ünd 漢字"
    assert "s3cret" not in repr(row.access())
    assert "s3cret" not in repr(vars(row))


def test_the_same_password_twice_is_stored_differently() -> None:
    assert stored("pc-1").password_sealed != stored("pc-2").password_sealed


def test_a_new_key_in_front_takes_over_and_the_old_one_may_go(settings: LazySettings) -> None:
    row, bare = stored(), stored("pc-2", "")
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND, FIRST)
    assert Workstation.objects.get(pk=row.pk).access().password == "s3cret ünd 漢字"
    assert rotate().rotated == ["pc-1"]
    assert (rotate().rotated, rotate().newest) == ([], ["pc-1"])
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND,)
    assert Workstation.objects.get(pk=row.pk).access().password == "s3cret ünd 漢字"
    assert not Workstation.objects.get(pk=bare.pk).has_password


def test_what_no_key_opens_is_named_and_left_as_it_is(settings: LazySettings) -> None:
    lost = stored("pc-lost")
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND,)
    stored("pc-new")
    outcome = rotate()
    assert (outcome.rotated, outcome.newest, outcome.unreadable) == ([], ["pc-new"], ["pc-lost"])
    assert unreadable() == ["pc-lost"]
    assert Workstation.objects.get(pk=lost.pk).password_sealed == lost.password_sealed
    with pytest.raises(Unreadable, match="Add the key that it was stored with"):
        Workstation.objects.get(pk=lost.pk).access()


def test_a_password_stored_while_keys_are_rotated_is_kept(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = stored()
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND, FIRST)

    def slow(token: str) -> str:
        fresh = resealed(token)
        redeclare(row.pk, {}, "typed meanwhile")
        return fresh

    monkeypatch.setattr(passwords, "resealed", slow)
    rotate()
    assert Workstation.objects.get(pk=row.pk).access().password == "typed meanwhile"


def test_without_a_key_nothing_is_stored_and_it_says_which_setting(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = ()
    with pytest.raises(NoKey, match="MEDIMGR_ENCRYPTION_KEYS"):
        stored()
    assert not Workstation.objects.exists()
    assert not stored("pc-2", "").has_password


@pytest.mark.parametrize("password", ["two\nlines", "a\0b", "x" * 257, "\x7f"])
def test_what_nobody_can_type_is_refused_without_being_repeated(password: str) -> None:
    with pytest.raises(BadPassword) as caught:
        stored(password=password)
    assert password not in caught.value.detail
    assert caught.value.errors.keys() == {"password"}
    assert not Workstation.objects.exists()


def test_none_keeps_the_password_and_nothing_takes_it_away() -> None:
    row = stored()
    assert redeclare(row.pk, {"boot_seconds": 60}).access().password == "s3cret ünd 漢字"
    assert not redeclare(row.pk, {}, "").has_password
    assert not Workstation.objects.get(pk=row.pk).has_password


def run(*words: str, typed: str = "") -> str:
    out = io.StringIO()
    call_command("workstations", *words, stdout=out, stderr=out, stdin=io.StringIO(typed))
    return out.getvalue()


def test_the_command_rotates_and_counts(settings: LazySettings) -> None:
    stored("pc-1")
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND, FIRST)
    stored("pc-2")
    assert "1 encrypted anew, 1 already" in run("rotate-keys")
    assert "0 encrypted anew, 2 already" in run("rotate-keys")


def test_the_command_fails_where_one_is_lost(settings: LazySettings) -> None:
    stored("pc-lost")
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND,)
    with pytest.raises(CommandError, match="pc-lost"):
        run("rotate-keys")


def test_the_command_makes_keys_that_the_setting_takes(settings: LazySettings) -> None:
    settings.MEDIMGR_ENCRYPTION_KEYS = ()
    made = run("new-key").strip()
    settings.MEDIMGR_ENCRYPTION_KEYS = (made,)
    assert stored().access().password == "s3cret ünd 漢字"
    assert run("new-key").strip() != made


def test_the_command_reads_a_password_from_its_input_and_repeats_it_nowhere() -> None:
    row = stored(password="")
    told = run("set-password", "pc-1", typed="typed word \n")
    assert "typed" not in told
    assert Workstation.objects.get(pk=row.pk).access().password == "typed word "
    assert "taken away" in run("set-password", "pc-1", "--remove")
    assert not Workstation.objects.get(pk=row.pk).has_password


def test_the_command_takes_no_password_as_an_argument_and_no_empty_one() -> None:
    stored()
    with pytest.raises(CommandError, match="unrecognized arguments"):
        run("set-password", "pc-1", "typed-word")
    with pytest.raises(CommandError, match="--remove"):
        run("set-password", "pc-1", typed="")


def found() -> dict[str | None, checks.CheckMessage]:
    return {message.id: message for message in checks.run_checks(include_deployment_checks=True)}


def test_the_system_check_finds_passwords_that_nothing_opens(settings: LazySettings) -> None:
    stored()
    assert not {"workstations.E001", "workstations.E002"} & found().keys()
    settings.MEDIMGR_ENCRYPTION_KEYS = (SECOND,)
    assert "pc-1" in found()["workstations.E002"].msg
    settings.MEDIMGR_ENCRYPTION_KEYS = ()
    message = found()["workstations.E001"]
    assert "1 password" in message.msg
    assert "MEDIMGR_ENCRYPTION_KEYS" in str(message.hint)


def test_the_system_check_says_nothing_where_no_password_is_stored(settings: LazySettings) -> None:
    stored(password="")
    settings.MEDIMGR_ENCRYPTION_KEYS = ()
    assert not {"workstations.E001", "workstations.E002"} & found().keys()
