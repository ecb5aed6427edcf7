"""What looks like a secret is recognised by its name, or by a password inside a URL."""

import pytest

from medimgr.lib.redact import looks_secret


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DJANGO_SECRET_KEY", ""),
        ("API_TOKEN", "x"),
        ("DB_PASSWORD", "x"),
        ("PASSWD", "x"),
        ("MYSQL_PWD", "x"),
        ("OPENAI_API_KEY", "x"),
        ("APIKEY", "x"),
        ("PRIVATE_PEM", "x"),
        ("AWS_CREDENTIALS", "x"),
        ("SENTRY_DSN", "x"),
        ("signing_key", "x"),
        ("DATABASE_URL", "postgresql://user:hunter2@db/name"),
        ("DATABASE_URL", "redis://:hunter2@cache/0"),
    ],
)
def test_a_secret_is_recognised(name: str, value: str) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", 8001),
        ("KEYBOARD", "us"),
        ("MONKEY", "x"),
        ("AUTHOR", "x"),
        ("BACKEND_URL", "http://127.0.0.1:8101"),
        ("DATABASE_URL", "postgresql://user@db/name"),
    ],
)
def test_what_is_harmless_is_left_alone(name: str, value: object) -> None:
    assert not looks_secret(name, value)
