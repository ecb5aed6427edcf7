"""The tokens of a login by API: what is signed comes back, and nothing else is believed."""

import base64
import json
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from medimgr.lib import tokens
from medimgr.lib.tokens import Claims, Kind, issue, key_id, read

KEY = "k" * 40
OTHER_KEY = "o" * 40
NOW = 1_800_000_000

texts = st.text(min_size=1, max_size=40).filter(lambda text: text.encode("utf-8", "replace").decode() == text)


@st.composite
def all_claims(draw: st.DrawFn) -> Claims:
    kind = draw(st.sampled_from(Kind))
    issued = draw(st.integers(NOW - 1000, NOW))
    return Claims(
        kind=kind,
        subject=draw(texts),
        family=draw(texts),
        bound=draw(texts),
        identifier=draw(texts),
        issued_at=issued,
        expires_at=draw(st.integers(NOW + 1, NOW + 10**6)),
    )


def claims(**fields: Any) -> Claims:
    return replace(
        tokens.claims_from(Kind.ACCESS, subject="1", family="f", bound="b", now=NOW, until=NOW + 10**9),
        **fields,
    )


def said(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token as they are written, with changes; None leaves one out."""
    good = jwt.decode(issue(claims(), [KEY]), options={"verify_signature": False})
    good.update(changes)
    return {name: value for name, value in good.items() if value is not None}


def signed(payload: dict[str, Any], key: str = KEY, **headers: Any) -> str:
    return jwt.encode(payload, key, algorithm="HS256", headers={"kid": key_id(key), **headers})


def part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@given(all_claims())
def test_what_is_signed_comes_back(wanted: Claims) -> None:
    assert read(issue(wanted, [KEY]), wanted.kind, [KEY], now=NOW) == wanted


@given(st.data())
@settings(max_examples=300)
def test_one_changed_letter_anywhere_is_noticed(data: st.DataObject) -> None:
    token = issue(claims(), [KEY])
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCXYZabcxyz0189-_.=+/ \n\x00é"))
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(tokens.TokenFault):
            read(changed, Kind.ACCESS, [KEY], now=NOW)


@given(st.text(max_size=300) | st.from_regex(r"\A[\w-]{1,90}\.[\w-]{1,90}\.[\w-]{0,90}\Z"))
def test_whatever_comes_instead_is_a_fault_and_no_crash(text: str) -> None:
    with pytest.raises(tokens.TokenFault):
        read(text, Kind.ACCESS, [KEY], now=NOW)


@given(
    st.dictionaries(
        st.sampled_from(["exp", "iat", "nbf", "sub", "aud", "jti", "typ", "family", "bound", "more"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=9)
        | st.lists(st.text(max_size=9)),
    )
)
def test_claims_of_any_type_under_a_good_signature_never_crash(payload: dict[str, Any]) -> None:
    header = part({"alg": "HS256", "typ": "JWT", "kid": key_id(KEY)})
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{header}.{part(payload)}".encode(), KEY.encode()
    )
    with pytest.raises(tokens.TokenFault):
        read(f"{header}.{part(payload)}.{part(signature)}", Kind.ACCESS, [KEY], now=NOW)


@pytest.mark.parametrize("name", tokens._CLAIMS)
def test_each_claim_is_demanded(name: str) -> None:
    with pytest.raises(tokens.MissingClaim):
        read(signed(said(**{name: None})), Kind.ACCESS, [KEY], now=NOW)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"aud": "somebody-else"}, tokens.WrongAudience),
        ({"aud": [tokens.AUDIENCE]}, tokens.WrongAudience),
        ({"nbf": NOW + 60}, tokens.NotYetValid),
        ({"iat": NOW + 60}, tokens.NotYetValid),
        ({"exp": NOW - tokens.LEEWAY_SECONDS}, tokens.Expired),
        ({"typ": "refresh"}, tokens.WrongKind),
        ({"typ": "admin"}, tokens.WrongKind),
        ({"sub": 1}, tokens.Malformed),
        ({"sub": ""}, tokens.Malformed),
        ({"jti": ["a"]}, tokens.Malformed),
        ({"exp": True}, tokens.Malformed),
        ({"exp": f"{NOW + 60}"}, tokens.Malformed),
        ({"exp": NOW + 0.5}, tokens.Malformed),
        ({"exp": 10**30}, tokens.Malformed),
        ({"exp": -1}, tokens.Malformed),
        ({"nbf": float("nan")}, tokens.Malformed),
    ],
)
def test_a_claim_that_does_not_fit_is_its_own_fault(
    changes: dict[str, Any], fault: type[tokens.TokenFault]
) -> None:
    with pytest.raises(tokens.TokenFault) as raised:
        read(signed(said(**changes)), Kind.ACCESS, [KEY], now=NOW)
    assert raised.type is fault


def test_a_clock_that_is_a_little_off_does_no_harm() -> None:
    made = claims()
    token = issue(made, [KEY])
    assert read(token, Kind.ACCESS, [KEY], now=NOW - tokens.LEEWAY_SECONDS) == made
    assert read(token, Kind.ACCESS, [KEY], now=made.expires_at + tokens.LEEWAY_SECONDS - 1) == made
    with pytest.raises(tokens.Expired):
        read(token, Kind.ACCESS, [KEY], now=made.expires_at + tokens.LEEWAY_SECONDS)


@pytest.mark.parametrize("name", ["none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "", None, 256])
def test_the_token_does_not_choose_the_algorithm(name: Any) -> None:
    header = {"alg": name, "typ": "JWT", "kid": key_id(KEY)}
    for signature in ("", part(secrets.token_bytes(32))):
        with pytest.raises(tokens.TokenFault):
            read(f"{part(header)}.{part(said())}.{signature}", Kind.ACCESS, [KEY], now=NOW)


def test_a_token_of_another_algorithm_under_our_own_key_is_refused() -> None:
    token = jwt.encode(said(), KEY * 2, algorithm="HS512", headers={"kid": key_id(KEY * 2)})
    with pytest.raises(tokens.WrongAlgorithm):
        read(token, Kind.ACCESS, [KEY * 2], now=NOW)


def test_a_public_key_is_no_secret_that_signs() -> None:
    private = rsa.generate_private_key(65537, 2048)
    token = jwt.encode(said(), private, algorithm="RS256", headers={"kid": key_id(KEY)})
    with pytest.raises(tokens.WrongAlgorithm):
        read(token, Kind.ACCESS, [KEY], now=NOW)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = part({"alg": "HS256", "typ": "JWT", "kid": key_id(KEY)})
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = part(mac.sign(f"{header}.{part(said())}".encode(), public))
    with pytest.raises(tokens.WrongSignature):
        read(f"{header}.{part(said())}.{signature}", Kind.ACCESS, [KEY], now=NOW)


@pytest.mark.parametrize(
    "more",
    [{"jwk": {"kty": "oct", "k": "AA"}}, {"jku": "https://x/"}, {"x5u": "https://x/"}, {"crit": ["exp"]},
     {"typ": "JWE"}, {"cty": "JWT"}, {"zip": "DEF"}],
)  # fmt: skip
def test_a_header_that_says_more_than_ours_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(tokens.Malformed):
        read(signed(said(), **more), Kind.ACCESS, [KEY], now=NOW)


def test_the_first_key_signs_and_all_are_believed() -> None:
    old = issue(claims(), [OTHER_KEY])
    new = issue(claims(), [KEY, OTHER_KEY])
    assert jwt.get_unverified_header(new)["kid"] == key_id(KEY)
    for token in (old, new):
        assert read(token, Kind.ACCESS, [KEY, OTHER_KEY], now=NOW).subject == "1"
    with pytest.raises(tokens.WrongKey):
        read(old, Kind.ACCESS, [KEY], now=NOW)
    with pytest.raises(tokens.WrongKey):
        read(new, Kind.ACCESS, [], now=NOW)


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "' OR 1=1 --", key_id(OTHER_KEY)])
def test_a_key_that_is_not_ours_is_not_looked_for(kid: str) -> None:
    with pytest.raises(tokens.WrongKey):
        read(signed(said(), kid=kid), Kind.ACCESS, [KEY], now=NOW)


def test_a_header_without_a_key_is_refused() -> None:
    token = jwt.encode(said(), KEY, algorithm="HS256")
    with pytest.raises(tokens.WrongKey):
        read(token, Kind.ACCESS, [KEY], now=NOW)


def test_the_signature_of_another_key_under_our_name_is_refused() -> None:
    with pytest.raises(tokens.WrongSignature):
        read(signed(said(), OTHER_KEY, kid=key_id(KEY)), Kind.ACCESS, [KEY], now=NOW)


def test_a_giant_is_not_taken_apart() -> None:
    token = signed(said(sub="x" * 10**6))
    with pytest.raises(tokens.Malformed):
        read(token, Kind.ACCESS, [KEY], now=NOW)
    with pytest.raises(tokens.Malformed):
        read("." * 10**7, Kind.ACCESS, [KEY], now=NOW)


def test_deep_json_in_a_token_is_a_fault_and_no_crash() -> None:
    deep = b"[" * 700 + b"]" * 700
    header = part({"alg": "HS256", "typ": "JWT", "kid": key_id(KEY)})
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = part(mac.sign(f"{header}.{part(deep)}".encode(), KEY.encode()))
    for token in (f"{part(deep)}.{part(said())}.AA", f"{header}.{part(deep)}.{signature}"):
        with pytest.raises(tokens.Malformed):
            read(token, Kind.ACCESS, [KEY], now=NOW)


def test_a_refresh_token_opens_nothing_and_an_access_token_refreshes_nothing() -> None:
    with pytest.raises(tokens.WrongKind):
        read(issue(claims(kind=Kind.REFRESH), [KEY]), Kind.ACCESS, [KEY], now=NOW)
    with pytest.raises(tokens.WrongKind):
        read(issue(claims(), [KEY]), Kind.REFRESH, [KEY], now=NOW)


def test_the_lives_are_fifteen_minutes_and_seven_days_and_never_beyond_the_end() -> None:
    def life(kind: Kind, until: float) -> float:
        made = tokens.claims_from(kind, subject="1", family="f", bound="b", now=NOW, until=until)
        return made.expires_at - NOW

    assert life(Kind.ACCESS, NOW + 10**9) == 900
    assert life(Kind.REFRESH, NOW + 10**9) == 7 * 86400
    assert life(Kind.REFRESH, NOW + 60) == 60


def test_no_two_tokens_have_the_same_identifier() -> None:
    assert len({tokens.new_identifier() for _ in range(1000)}) == 1000


def test_what_binds_a_token_to_a_password_gives_no_hash_away() -> None:
    bound = tokens.bound_to("hash-of-a-password")
    assert len(bound) == 16
    assert bound == tokens.bound_to("hash-of-a-password") != tokens.bound_to("hash-of-another")
    assert "hash" not in bound


def test_a_key_is_not_among_what_its_name_says() -> None:
    assert len(key_id(KEY)) == 16
    assert key_id(KEY) != key_id(OTHER_KEY)


def test_nothing_of_the_library_is_loaded_before_there_is_a_token() -> None:
    """It takes 9 MB, in each web worker and supervisor."""
    script = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup()\n"
        "import medimgr.urls, medimgr.accounts.bearer\n"
        "print([name for name in ('jwt', 'cryptography') if name in sys.modules])\n"
    )
    root = Path(__file__).parent.parent.parent
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert loaded.stdout.strip() == "[]"
