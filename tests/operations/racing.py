"""Real races, many of them: threads that stay, and meet at a barrier before each."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import connections

from medimgr.events.models import Event
from operations.models import Operation
from operations.states import FINISHED_VALUES

SECONDS = 30.0
"""Nobody waits longer than this for the others."""
JITTER_SECONDS = 0.003


def race(
    rounds: int,
    prepare: Callable[[int], Any],
    runners: tuple[Callable[[Any], Any], ...],
    check: Callable[..., str],
) -> Counter[str]:
    """Have ``runners`` do their work on what ``prepare`` made at the same moment, round after round.

    ``check`` gets what was prepared and what each returned or raised, asserts, and names the outcome in a
    word; those are counted, so that a test can tell whether there was a race at all.
    """
    at_the_line = threading.Barrier(len(runners) + 1)
    subject: list[Any] = [None]
    outcomes: list[Any] = [None] * len(runners)
    over = threading.Event()

    def run(place: int) -> None:
        try:
            while True:
                at_the_line.wait(SECONDS)
                if over.is_set():
                    return
                # Or the one whose thread the machine wakes first would always win.
                time.sleep(random.uniform(0, JITTER_SECONDS))
                try:
                    outcomes[place] = runners[place](subject[0])
                except Exception as error:
                    outcomes[place] = error
                at_the_line.wait(SECONDS)
        except threading.BrokenBarrierError:
            return
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(runners))]
    for thread in threads:
        thread.start()
    words: Counter[str] = Counter()
    try:
        for number in range(rounds):
            subject[0] = prepare(number)
            at_the_line.wait(SECONDS)
            at_the_line.wait(SECONDS)
            words[check(subject[0], *outcomes)] += 1
        over.set()
        at_the_line.wait(SECONDS)
    finally:
        at_the_line.abort()
        for thread in threads:
            thread.join(SECONDS)
    return words


def ended_once(operation: Operation) -> Operation:
    """Assert that its events tell of one end, the last of them, and return the row."""
    row = Operation.objects.get(pk=operation.pk)
    events = Event.objects.filter(topic="operation", key=str(operation.pk)).order_by("id")
    statuses = [data["status"] for data in events.values_list("data", flat=True)]
    assert [status for status in statuses if status in FINISHED_VALUES] == [row.status], statuses
    assert statuses[-1] == row.status, statuses
    return row
