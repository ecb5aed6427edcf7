"""The audit names the account that ran the command, as the kernel knows it."""

import os
import pwd

import pytest

from operations.shell_requester import requester

NAME = pwd.getpwuid(os.getuid()).pw_name


def test_the_name_is_the_accounts_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert (requester().name, requester().source, requester().user) == (NAME, "command", None)


def test_under_sudo_the_person_behind_it_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "alice")
    assert requester().name == "root (sudo by alice)"


def test_an_account_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert requester().name == "uid 54321"
