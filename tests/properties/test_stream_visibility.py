"""Nobody ever receives an event, a measurement or a line of a log that they may not see. At random.

People, groups, permissions, limits and sessions change while streams run. What must follow is worked out by
an own model (:mod:`tests.properties.audience`). ``MEDIMGR_TEST_SEED`` repeats a failure's dice.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.events.conftest import running_site
from tests.properties.listening import Listening

pytestmark = pytest.mark.both_databases

ROUNDS = int(os.environ.get("MEDIMGR_TEST_ROUNDS") or 10)


@pytest.fixture
def seed() -> str:
    return os.environ.get("MEDIMGR_TEST_SEED") or secrets.token_hex(4)


@contextmanager
def listening(directory: Path, blocker: DjangoDbBlocker, seed: str, fault: str = "") -> Iterator[Listening]:
    with running_site(directory, blocker, fault=fault) as site:
        site.tick("n", {"talker": [1.0, 2.0]})
        party = Listening(site, seed)
        try:
            yield party
        except AssertionError as error:
            error.add_note(f"MEDIMGR_TEST_SEED={seed}")
            raise
        finally:
            for stream in party.streams:
                stream.close()


def test_nobody_hears_what_they_may_not_see(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker, seed: str
) -> None:
    with listening(tmp_path, django_db_blocker, seed) as party:
        party.play_rounds(ROUNDS)
        while min(party.opened, party.refused, party.ended, party.polled, party.hidden, party.gone) < 3:
            party.play_rounds(1)  # until each of it was put to the test
        party.site.assert_quiet()
    print(  # noqa: T201
        f"{party.opened} streams opened, {party.refused} refused, {party.polled} polls answered, "
        f"{party.ended} streams ended, the slowest {party.slowest_end:.2f} s after the change, "
        f"{party.hidden} events hidden, {party.gone} told of as gone"
    )


@pytest.mark.parametrize(
    "fault",
    [
        "ask_nobody_at_the_door",
        "trust_for_ever",
        "poll_without_asking",
        "tell_the_limited_everything",
        "poll_without_limits",
    ],
)
def test_a_door_left_open_would_be_seen(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker, seed: str, fault: str
) -> None:
    with listening(tmp_path, django_db_blocker, seed, fault) as party, pytest.raises(AssertionError) as seen:
        party.play_rounds(3 * ROUNDS)
    assert "Round " in str(seen.value.__notes__)
