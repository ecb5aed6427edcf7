"""What a client may write into the address of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimgr.events.exceptions import UnknownTopic
from medimgr.events.terms import IMPOSSIBLE, read_terms


def test_topics_are_a_list_and_none_means_all_that_is_visible() -> None:
    assert read_terms({"topics": " service, node ,,"}, "").topics == frozenset({"service", "node"})
    assert read_terms({"topics": ""}, "").topics == frozenset()
    assert read_terms({}, "").topics is None


def test_every_unknown_topic_is_named() -> None:
    with pytest.raises(UnknownTopic) as refused:
        read_terms({"topics": "service,weather,gossip"}, "")
    assert "gossip, weather" in refused.value.detail
    assert len(refused.value.errors["topics"]) == 2


def test_the_browsers_header_wins_over_the_pages_query() -> None:
    assert read_terms({"last_event_id": "3"}, "17").since == 17
    assert read_terms({"last_event_id": "3"}, " ").since == 3
    assert read_terms({}, "").since is None


@pytest.mark.parametrize("garbage", ["-1", "1_000", "٣", "0x10", "1e3", "null", "9" * 5000, "1\0", "17.0"])
def test_an_id_that_is_none_counts_as_one_that_no_log_reaches(garbage: str) -> None:
    assert read_terms({}, garbage).since == IMPOSSIBLE
    assert read_terms({"last_event_id": garbage}, "").since == IMPOSSIBLE


@given(st.text(), st.text())
def test_no_header_or_page_is_ever_too_strange(header: str, page: str) -> None:
    terms = read_terms({"page": page, "topics": "service"}, header)
    assert terms.since is None or 0 <= terms.since <= IMPOSSIBLE
    assert len(terms.page) <= 200
    assert not any(ord(letter) < 32 for letter in terms.page)
