"""Secrets in free text are masked, in every form that can be recognised, and never at a great cost."""

import base64
import json
import re
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.lib.masking import masked
from medimgr.lib.redact import MASK

SECRET = "hunter2"

GIVEN_AWAY = [
    "password={}",
    "Password: {}",
    "PASSWORD = {} and more",
    'MYSQL_PWD="{}"',
    "db.password : '{}'",
    "PGPASSWORD={} psql -h host",
    '{{"token": "{}", "user": "bob"}}',
    "{{'api_key': '{}'}}",
    '{{\\"password\\": \\"{}\\"}}',
    "my_token => {}",
    "secret := {}",
    "X-Api-Key: {}",
    "aws_secret_access_key={}",
    "signing_key={}",
    "SENTRY_DSN={}",
    "--password {} --verbose",
    "--db-password={}",
    "-passphrase {}",
    "Authorization: Basic {}",
    'curl -H "Authorization: Token {}" https://host',
    "Cookie: sessionid={}; csrftoken={}",
    "postgresql://user:{}@host:5432/name",
    "redis://:{}@cache/0",
    "amqp://user:{}@host and amqp://user:{}@other",
    "https://host/path?user=bob&token={}&x=1",
    "user=bob&password={}&x=1",
    "<Password>{}</Password>",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n{}",
]
OF_KNOWN_SHAPE = [
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "xoxb-123456789012-abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "Bearer 0123456789abcdef",
    "https://0123456789abcdef0123456789@host/",
]
HARMLESS = [
    "Stopping pid 4711",
    "http://127.0.0.1:8101/path?mail=a@b",
    "http://user@host/",
    "login failed: wrong password",
    "the token is gone",
    "keyboard=us turnkey=1",
    "bob@example.org wrote",
    "12:03:11 INFO started in 3.2 s",
    "git@github.com:owner/name.git",
    "",
]


@pytest.mark.parametrize("form", GIVEN_AWAY)
def test_what_its_surroundings_give_away_is_masked(form: str) -> None:
    said = masked(form.format(*[SECRET] * form.count("{}")))
    assert SECRET not in said
    assert MASK in said


@pytest.mark.parametrize("secret", OF_KNOWN_SHAPE)
def test_what_has_a_known_shape_is_masked(secret: str) -> None:
    assert secret not in masked(f"it is {secret} of course")
    assert MASK in masked(f"it is {secret} of course")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert masked("psql postgresql://user:hunter2@host/db -c 'select 1'") == (
        f"psql postgresql://user:{MASK}@host/db -c 'select 1'"
    )
    assert masked("?user=bob&token=hunter2&x=1 failed") == f"?user=bob&token={MASK}&x=1 failed"
    assert masked("postgres://u:p/w@x@host/db, then http://a.b:80/c") == (
        f"postgres://u:{MASK}@host/db, then http://a.b:80/c"
    )


# --- any secret --------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=4, max_size=60)
UNQUOTED = WORDS.filter(lambda word: not re.match(r"[\"'=:>-]|\\", word))
# A number before a slash, or one that is all of it, is taken for a port.
IN_A_URL = WORDS.filter(lambda word: not re.search(r"[\"'<>]|^\d{1,5}([/?#]|$)", word))
IN_QUOTES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=4, max_size=60).filter(
    str.strip
)


@given(UNQUOTED)
def test_any_word_behind_the_name_of_a_secret_is_masked_whole(secret: str) -> None:
    assert masked(f"password={secret} next") == f"password={MASK} next"
    assert masked(f"a --token {secret} next") == f"a --token {MASK} next"


@given(IN_QUOTES)
def test_any_text_in_the_quotes_of_json_is_masked_whole(secret: str) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"api_token": secret, "user": "bob"}, ensure_ascii=ascii_only)
        assert json.loads(masked(text)) == {"api_token": MASK, "user": "bob"}


@given(IN_A_URL)
def test_any_password_in_a_url_is_masked_whole(secret: str) -> None:
    """As it is, although it should be quoted there."""
    assert (
        masked(f"db postgresql://user:{secret}@host/name ok") == f"db postgresql://user:{MASK}@host/name ok"
    )


@given(IN_QUOTES, st.sampled_from(["{}", "it is <{}>", "a{}b", "x={};", "\n{}\n"]))
def test_a_known_value_is_masked_however_it_is_written(secret: str, around: str) -> None:
    raw = secret.encode()
    for form in (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    ):
        said = masked(around.format(form), [secret])
        assert MASK in said
        assert form.rstrip("=") not in said.replace(MASK, "")


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=3))
def test_masking_never_fails_and_masking_twice_changes_nothing(text: str, known: list[str]) -> None:
    once = masked(text, known)
    harmless = [value for value in known if value.strip() and value.strip() not in MASK]
    if not any(value in MASK or MASK in value for value in harmless):
        assert masked(once) == masked(masked(once))


@given(st.from_regex(r"(://|password|token|[=:@&?'\"\\<> \n]|[a-z0-9]){0,60}", fullmatch=True))
def test_a_masked_text_is_masked_for_good(text: str) -> None:
    once = masked(text)
    assert masked(once) == once


def test_short_values_are_masked_as_words_alone() -> None:
    assert masked("pin 17, pid 4177", ["17"]) == f"pin {MASK}, pid 4177"
    assert masked("a banana", ["a"]) == f"{MASK} banana"
    assert masked("nothing to hide", ["", "  "]) == "nothing to hide"


def test_each_line_of_a_known_value_is_masked() -> None:
    assert masked("MIIBVAIBADANB", ["-----\nMIIBVAIBADANB\n-----"]) == MASK


PIECES = (
    "://",
    "://a:",
    "://a:b@",
    "password",
    "token ",
    "_",
    "--token ",
    "&token=a",
    "?token=a",
    "eyJ",
    "--",
    "-token",
    "<",
    "<token>",
    "_key",
    "cookie=",
    ".",
    "?a",
    '"token\\',
    "-----BEGIN PRIVATE KEY-----",
    "'",
    "\\",
    "a",
    "@",
    " ",
)


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    """Patterns that look back again and again would take minutes for these."""
    for text in (piece * (100_000 // len(piece)), "token=" + piece * (100_000 // len(piece)) + "\ntoken:"):
        began = time.process_time()
        masked(text)
        assert time.process_time() - began < 2.0
