"""Who asks: known proxies are believed, nobody else, and only about what they saw themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.lib.client_address import client_address, networks

PROXY = "10.0.0.7"
TRUSTED = networks([PROXY, "10.1.0.0/16", "fd00::/8"])


def test_without_proxies_the_peer_is_the_client_whatever_it_says() -> None:
    assert client_address("198.51.100.1", "203.0.113.9", ()) == "198.51.100.1"


def test_a_stranger_is_not_believed() -> None:
    assert client_address("198.51.100.1", "203.0.113.9", TRUSTED) == "198.51.100.1"


def test_a_known_proxy_tells_who_asked_it() -> None:
    assert client_address(PROXY, "203.0.113.9", TRUSTED) == "203.0.113.9"
    assert client_address(PROXY, "", TRUSTED) == PROXY


def test_what_the_client_itself_wrote_is_not_believed() -> None:
    assert client_address(PROXY, "1.1.1.1, 203.0.113.9", TRUSTED) == "203.0.113.9"


def test_a_row_of_known_proxies_is_gone_through() -> None:
    assert client_address(PROXY, "1.1.1.1, 203.0.113.9, 10.1.2.3, fd00::5", TRUSTED) == "203.0.113.9"
    assert client_address(PROXY, "10.1.2.3", TRUSTED) == "10.1.2.3"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.9:5123", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", PROXY),
        ("203.0.113.9, <script>", PROXY),
        (",,", PROXY),
    ],
)
def test_addresses_are_written_in_many_ways(written: str, address: str) -> None:
    assert client_address(PROXY, written, TRUSTED) == address


def test_a_peer_by_ipv4_over_ipv6_is_the_same_peer() -> None:
    assert client_address(f"::ffff:{PROXY}", "203.0.113.9", TRUSTED) == "203.0.113.9"


def test_a_peer_without_an_address_stays_as_it_is() -> None:
    assert client_address("", "203.0.113.9", TRUSTED) == ""


STRANGERS = st.ip_addresses(v=4).filter(
    lambda one: not any(one in network for network in TRUSTED if network.version == 4)
)


@given(st.text(max_size=80), STRANGERS.map(str))
def test_nothing_that_a_client_writes_changes_its_address(forged: str, own: str) -> None:
    """The proxy appends the address that it saw; the client wrote the rest."""
    assert client_address(PROXY, f"{forged}, {own}", TRUSTED) == own


@given(st.text(max_size=80), STRANGERS.map(str))
def test_nothing_that_a_stranger_writes_counts(forged: str, own: str) -> None:
    assert client_address(own, forged, TRUSTED) == own
