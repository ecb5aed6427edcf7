"""How long a refusal takes tells nobody whether an account exists, is active or is staff.

Measured as the work that it takes: what else the machine does says nothing about that.
"""

import statistics
import time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db

ROUNDS = 9
NAMES = ("nobody", "alice", "leaver", "charlie")
"""Who does not exist, who does, who is not active, who is no staff."""


class ShortHasher(PBKDF2PasswordHasher):
    """Django's own, with a twentieth of the work."""

    iterations = 50_000


@pytest.mark.parametrize("door", ["/login/", "/api/auth/login"])
def test_a_refusal_takes_the_same_time_whoever_is_refused(door: str, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.ShortHasher"]
    settings.MEDIMGR_LOGIN_MAX_FAILURES = settings.MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS = 1000
    settings.MEDIMGR_TOKEN_KEYS = ("k" * 40,)
    User.objects.create_user("alice", password="right", is_staff=True)
    User.objects.create_user("leaver", password="right", is_staff=True, is_active=False)
    User.objects.create_user("charlie", password="right")
    took: dict[str, list[float]] = {name: [] for name in NAMES}
    kind = "application/json" if door.startswith("/api/") else "multipart/form-data; boundary=BoUnDaRyStRiNg"
    for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all alike
        for name in NAMES:
            began = time.process_time()
            answer = Client().post(door, {"username": name, "password": "wrong"}, content_type=kind)
            took[name].append(time.process_time() - began)
            assert answer.status_code in {200, 401}
    typical = {name: statistics.median(times) for name, times in took.items()}
    assert max(typical.values()) / min(typical.values()) < 1.35, typical


@pytest.mark.parametrize("name", ["leaver", "charlie"])
def test_at_the_api_the_right_password_of_who_may_not_come_in_takes_as_long_as_a_wrong_one(
    name: str, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.ShortHasher"]
    settings.MEDIMGR_LOGIN_MAX_FAILURES = settings.MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS = 1000
    settings.MEDIMGR_TOKEN_KEYS = ("k" * 40,)
    User.objects.create_user("leaver", password="right", is_staff=True, is_active=False)
    User.objects.create_user("charlie", password="right")
    took: dict[str, list[float]] = {"right": [], "wrong": []}
    answers = set()
    for _ in range(ROUNDS):
        for password in took:
            began = time.process_time()
            given = {"username": name, "password": password}
            answer = Client().post("/api/auth/login", given, content_type="application/json")
            took[password].append(time.process_time() - began)
            answers.add((answer.status_code, answer.json()["detail"]))
    assert len(answers) == 1
    ratio = statistics.median(took["right"]) / statistics.median(took["wrong"])
    assert 1 / 1.35 < ratio < 1.35, took
