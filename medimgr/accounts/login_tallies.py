"""Counts logins by password, at whichever door: who guesses at passwords shows in the metrics."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed

from medimgr.accounts.login_door import shut_for_seconds
from medimgr.tallies import gathering
from medimgr.tallies.counting import Count

TRIED = Count("medimgr_logins", "Logins by password, at page, admin and API.", ("outcome",))
SUCCEEDED, FAILED, SHUT = OUTCOMES = ("succeeded", "failed", "shut")
"""``shut``: after too many wrong ones it was not looked at the password, or will not be from now on."""


def connect() -> None:
    """Count from now on. Called in ``AppConfig.ready()``, after axes' own."""
    user_logged_in.connect(_succeeded, dispatch_uid=f"{__name__}.succeeded")
    user_login_failed.connect(_failed, dispatch_uid=f"{__name__}.failed")


def _succeeded(sender: Any, **_signal: Any) -> None:  # noqa: ARG001
    gathering.of_this_process.add(TRIED.grown(SUCCEEDED))


def _failed(sender: Any, request: Any = None, **_signal: Any) -> None:  # noqa: ARG001
    shut = request is not None and shut_for_seconds(request)
    gathering.of_this_process.add(TRIED.grown(SHUT if shut else FAILED))
