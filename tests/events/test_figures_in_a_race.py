"""Workers write, are forgotten and are asked, all at once: no sum falls, and none is off in the end."""

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection

from medimgr.events import connections
from medimgr.events.connections import forget_worker
from medimgr.events.figures import Figures
from medimgr.events.ledger import Ledger
from medimgr.events.models import StreamWorker
from medimgr.events.survey import Survey

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db(transaction=True)]

SECONDS = 1.5
ENOUGH = 10
"""Turns that each has to have had, whoever was in its way."""
PATIENCE = 20.0
CODE = "too-many-streams"


def told() -> int:
    return int(Survey.take().counted.get("refused", {}).get(CODE, 0))


def test_sums_do_not_fall_while_workers_come_and_go() -> None:
    own = Ledger(Figures())
    end = time.monotonic() + SECONDS
    errors: list[BaseException] = []
    turns = {"write": 0, "forget": 0, "ask": 0}
    seen = [0]

    def write() -> None:
        own.figures.refused(CODE)
        connections.renew_lease(own, {})

    def forget() -> None:
        for row in StreamWorker.objects.all():
            forget_worker(row.node, row.pid)

    def ask() -> None:
        now = told()
        assert now >= seen[0], f"{now} after {seen[0]}"
        seen[0] = now

    def over_and_over(name: str, step: Callable[[], None]) -> None:
        try:
            while not errors and time.monotonic() < end + PATIENCE:
                if time.monotonic() > end and min(turns.values()) > ENOUGH:
                    return
                step()
                turns[name] += 1
                time.sleep(0.002)  # or those who find nothing to do would have the interpreter for themselves
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=over_and_over, args=(name, step))
        for name, step in (("write", write), ("forget", forget), ("ask", ask))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert min(turns.values()) > ENOUGH, turns
    connections.retire(own)
    assert told() == own.figures.streams_refused[CODE]
