"""The page of an operation says with what it was asked for, as people say it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from medimgr.lib.redact import MASK
from operations.parameter_words import parameter_words
from tests.operations.rows import made


def test_values_are_words() -> None:
    given = {
        "rolling": False,
        "force": True,
        "hours": 1.5,
        "titles": ["a", "b"],
        "at": None,
        "some": [],
    }
    assert parameter_words(given) == [
        ("At", "none"),
        ("Force", "yes"),
        ("Hours", "1.5"),
        ("Rolling", "no"),
        ("Some", "none"),
        ("Titles", "a, b"),
    ]


def test_what_is_secret_is_masked() -> None:
    assert parameter_words({"password": "canary"}) == [("Password", MASK)]


@pytest.mark.django_db
def test_the_page_says_them(alice: User, client: Client) -> None:
    client.force_login(alice)
    page = client.get(made("a", parameters={"rolling": False}).get_absolute_url()).content.decode()
    assert "<dt>Rolling</dt><dd>no</dd>" in page
