"""The log of an operation that a real worker carries out, on the streams of a real web worker."""

import sys
from collections.abc import Iterator

import pytest

from operations import registry
from operations.models import Operation
from tests.events.conftest import Site
from tests.events.stream_client import StreamClient
from tests.operations.asking import ask, declare
from tests.operations.talking_worker import LINES

pytestmark = [pytest.mark.both_databases]

EVERY = [f"line {number}" for number in range(1, LINES + 1)]


@pytest.fixture
def operation(site: Site) -> Iterator[Operation]:
    """One that talks, once there is a worker."""
    with site.instance.database():
        declare("service.talk")
        try:
            yield ask("service.talk")
        finally:
            registry.unregister("service.talk")


def start_worker(site: Site) -> None:
    site.instance.start_command(
        [sys.executable, "-m", "tests.operations.talking_worker"],
        name="talking",
        DJANGO_SETTINGS_MODULE="medimgr.settings",
    )


def lines(client: StreamClient, *, until: int = LINES) -> list[str]:
    """Return the lines that come, until there are so many or the log is complete."""
    found: list[str] = []
    while len(found) < until:
        piece = client.next("operation_log", timeout=20).data
        assert [line["number"] for line in piece["lines"]] == list(
            range(piece["last"] - len(piece["lines"]) + 1, piece["last"] + 1)
        )
        found += [line["text"] for line in piece["lines"]]
        if piece["complete"]:
            break
    return found


def test_all_who_watch_get_every_line_once_and_in_order(site: Site, operation: Operation) -> None:
    watching = [site.open(topics="operation", operation_log=operation.pk) for _ in range(5)]
    try:
        start_worker(site)
        for client in watching:
            assert lines(client) == EVERY
        late = site.open(topics="operation", operation_log=operation.pk)
        watching.append(late)
        assert lines(late, until=LINES + 1) == EVERY
    finally:
        for client in watching:
            client.socket.close()


def test_a_page_that_comes_back_goes_on_behind_its_last_line(site: Site, operation: Operation) -> None:
    with site.open(topics="operation", operation_log=operation.pk) as first:
        start_worker(site)
        begun = lines(first, until=20)
    with site.open(topics="operation", operation_log=operation.pk, operation_log_after=len(begun)) as second:
        assert begun + lines(second, until=LINES - len(begun)) == EVERY


def test_a_viewer_of_services_alone_cannot_follow_it(site: Site, operation: Operation) -> None:
    session = site.person("watcher", "view_service")
    with site.connect(session, topics="service", operation_log=operation.pk) as client:
        status, _ = client.answer()
        assert status == 403
    with site.connect(topics="operation", operation_log=operation.pk + 1000) as client:
        status, _ = client.answer()
        assert status == 404
