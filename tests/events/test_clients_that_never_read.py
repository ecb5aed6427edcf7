"""What a client that never reads may cost: two MiB at most, then it is ended; nobody waits for it."""

import re
import statistics
import subprocess
import time

import psutil
import pytest

from medimgr.events.models import Connection
from tests.events.conftest import Site
from tests.events.stream_client import StreamClient

pytestmark = pytest.mark.both_databases

SILENT = 8
MOST_BYTES = 2 * 1024 * 1024
MESSAGE = {"filling": "x" * 20_000}
WITHIN_THE_BOUND = 50
"""Messages, one MB in all: more than the kernel takes, and less than what a stream is ended for."""


def sent_at_once(site: Site, reader: StreamClient, count: int) -> list[float]:
    """Publish so many messages; return how long each took to its reader, in seconds."""
    took = []
    for number in range(count):
        published = site.publish("service", str(number), MESSAGE)
        began = time.monotonic()  # it is committed, and may be there already
        while int(reader.next("service").id) != published:
            pass
        took.append(time.monotonic() - began)
    return took


def kernel_bytes(site: Site) -> list[int]:
    """Return what the kernel holds for each connection of the worker to send, its bookkeeping included."""
    listed = subprocess.run(
        ["ss", "-tmnHO", "state", "established", "sport", "=", f":{site.ports[0]}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [int(found) for found in re.findall(r"skmem:\(.*?,w(\d+),", listed)]


def test_they_cost_two_mib_at_most_and_disturb_nobody(site: Site) -> None:
    session = site.operator()
    process = psutil.Process(site.workers[0].pid)
    with site.open(session) as reader:
        alone = sent_at_once(site, reader, WITHIN_THE_BOUND)  # also warms up what the worker needs anyway
        before = process.memory_info().rss
        silent = [site.open(session, receive_buffer=4096) for _ in range(SILENT)]
        beside = sent_at_once(site, reader, WITHIN_THE_BOUND)
        assert site.rows() == 1 + SILENT, "none has been ended yet"
        kernel = kernel_bytes(site)
        own = (process.memory_info().rss - before) / SILENT
        assert len(kernel) == 1 + SILENT
        assert max(kernel) > 100_000, "they have taken what the kernel takes"
        assert max(kernel) + own <= MOST_BYTES, (kernel, own)

        sent_at_once(site, reader, 30)
        site.wait_for_rows(1, 10)
        site.instance.wait_for(lambda: len(kernel_bytes(site)) == 1, 10, "the kernel has let go of them")
        assert site.last_fact()["reason"] == "lagging"
        assert statistics.median(beside) < 2 * statistics.median(alone) + 0.02, (alone, beside)
        # The reader waits once for each that has only just stopped reading, and this machine may be busy.
        assert max(beside) < max(alone) + 0.5
        with site.instance.database():
            assert Connection.objects.get().events_sent > 0
        for stream in silent:
            stream.close()
