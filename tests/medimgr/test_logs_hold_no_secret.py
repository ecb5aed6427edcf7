"""No secret gets through to a handler of the log, in whatever part of a record it comes."""

import base64
import io
import json
import logging
import string
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from medimgr.lib import redact
from medimgr.lib.log_lines import ConsoleLine, JsonLine
from medimgr.lib.redact import MASK, Redaction, redacted, remember

SECRET = st.text(string.ascii_letters + string.digits + "-_./+$%'\" \\", min_size=8, max_size=50).filter(
    lambda text: len(text.strip()) >= 8 and len(set(text)) > 4
)
HARMLESS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
SHAPES = (
    "{}",
    "before {} after",
    "line one\n{}\nline three",
    "x{}y",
    "https://host/?a={}",
    "{!r}",
)
TOKENS = (
    "mm_abcdefgh_" + "Ab1-" * 10 + "xyz",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1g",
)
HEADERS = (
    "Authorization: Basic {}",
    "[(b'authorization', b'Basic {}'), (b'host', b'x')]",
    "{{'Authorization': 'Token {}'}}",
    "[(b'cookie', b'sessionid={}; csrftoken={}')]",
    "Cookie: sessionid={}",
    "Set-Cookie: csrftoken={}; Path=/",
    "csrfmiddlewaretoken={}&x=1",
    "{{'HTTP_COOKIE': 'sessionid={}'}}",
    "{{'HTTP_X_CSRFTOKEN': '{}'}}",
)


class Log:
    """A logger with two handlers, as the settings have them: one writes JSON, one for people."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.logger = logging.getLogger("tests.secrets")
        self.handlers: list[logging.Handler] = []
        for form in (JsonLine(), ConsoleLine()):
            handler = logging.StreamHandler(self.stream)
            handler.setFormatter(form)
            handler.addFilter(Redaction())
            self.logger.addHandler(handler)
            self.handlers.append(handler)

    def written(self) -> str:
        text = self.stream.getvalue()
        self.stream.truncate(0)
        self.stream.seek(0)
        return text

    def close(self) -> None:
        for handler in self.handlers:
            self.logger.removeHandler(handler)


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.close()


@pytest.fixture
def known() -> Iterator[Any]:
    """Have one more value known as a secret of this process, for as long as the test runs."""
    yield remember
    redact._remembered.clear()


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(secret=SECRET, shape=st.sampled_from(SHAPES))
def test_a_known_secret_never_comes_out(secret: str, shape: str, log: Log, known: Any) -> None:
    known([secret])
    said = shape.format(secret)
    log.logger.error(said)
    log.logger.error("with an argument %s and %r", said, {"value": said})
    log.logger.error("a field", extra={"noted": said}, stack_info=True)
    try:
        raise RuntimeError(said)
    except RuntimeError:
        log.logger.exception("an exception")
    encoded = base64.b64encode(secret.encode()).decode()
    log.logger.error("in base64 %s, in a URL %s, in JSON %s", encoded, quote(secret), json.dumps(secret))
    written = log.written()
    for form in (secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1], encoded):
        assert form not in written
    if quote(secret) != secret:
        assert quote(secret) not in written


@given(HARMLESS)
def test_harmless_text_comes_out_unchanged(text: str) -> None:
    said = "".join(text.split("mm_")).replace("://", ":/ /")
    if not redact.looks_secret(said) and "okie" not in said and "uthoriz" not in said:
        assert redacted(said) == said


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_tokens_are_known_by_their_shape(token: str, shape: str, log: Log) -> None:
    log.logger.error(shape.format(token))
    assert token not in log.written()


@pytest.mark.parametrize("header", HEADERS)
def test_what_headers_carry_does_not_come_out(header: str, log: Log) -> None:
    value = "3q2w1e9o8i7u6y5t4r"
    log.logger.error(header.format(*[value] * header.count("{}")))
    assert value not in log.written()


def test_every_secret_of_the_settings_is_known(
    log: Log, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MEDIMGR_METRICS_TOKEN = "metrics-0123456789"
    settings.MEDIMGR_TOKEN_KEYS = ("first-key-" + "k" * 30, "second-key-" + "l" * 30)
    settings.MEDIMGR_ENCRYPTION_KEYS = ("fernet-key-" + "m" * 30,)
    settings.SECRET_KEY_FALLBACKS = ["old-key-of-sessions"]
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "database-word")
    secrets = [
        settings.SECRET_KEY,
        settings.MEDIMGR_METRICS_TOKEN,
        *settings.MEDIMGR_TOKEN_KEYS,
        *settings.MEDIMGR_ENCRYPTION_KEYS,
        *settings.SECRET_KEY_FALLBACKS,
        "database-word",
    ]
    for secret in secrets:
        log.logger.error("it is %s.", secret)
        written = log.written()
        assert secret not in written
        assert MASK in written


def test_a_password_that_is_the_name_of_the_database_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", "medimgr")
    monkeypatch.setitem(settings.DATABASES["default"], "USER", "medimgr")
    assert redacted("medimgr has started") == "medimgr has started"


@pytest.mark.parametrize("name", ["password", "access_token", "Cookie", "authorization", "sessionid"])
def test_a_field_that_is_called_so_is_masked_whatever_it_holds(name: str, log: Log) -> None:
    log.logger.error("a field", extra={name: "plain-value"})
    assert "plain-value" not in log.written()


def test_arguments_that_do_not_fit_are_told_without_them(
    log: Log, known: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    known(["a-secret-value"])
    log.logger.error("only %d", "a-secret-value")
    assert "its arguments do not fit" in log.written()
    assert "a-secret-value" not in capfd.readouterr().err


def test_every_handler_of_this_process_stands_behind_the_redaction() -> None:
    configured: Any = settings.LOGGING
    assert configured["handlers"]
    for handler in configured["handlers"].values():
        assert "redaction" in handler["filters"]
    for name in ("django", "django.server", "django.request"):
        assert logging.getLogger(name).handlers == [], name


def test_a_line_costs_little(log: Log) -> None:
    text = "GET /monitoring/services/backend/ 200 in 12.3 ms"
    best = min(_seconds(text) for _ in range(5))
    assert best < 200e-6, "some 10 µs on a quiet machine"


def _seconds(text: str) -> float:
    began = time.perf_counter()
    for _ in range(500):
        redacted(text)
    return (time.perf_counter() - began) / 500
