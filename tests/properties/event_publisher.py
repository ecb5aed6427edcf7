"""A process that publishes events in many random transactions until SIGTERM, and says what became of each.

    python -m tests.properties.event_publisher NAME SEED [without-lock]

Some transactions insert early and commit late, some are rolled back in the end or in part. Each thread says
``committed KEY ...`` or ``undone KEY ...`` once it is so. ``without-lock`` plants the fault that the log's
lock is there to prevent.
"""

import contextlib
import random
import signal
import sys
import threading
import time
from typing import Any

import django
from django.db import connection, transaction

THREADS = 3
TOPICS = ("service", "node", "operation", "workstation")


class Undo(Exception):
    """Rolls a transaction back."""


def without_lock(execute: Any, sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    """Let every statement through but the one that makes publishers wait for each other."""
    return None if "pg_advisory_xact_lock" in sql else execute(sql, parameters, many, context)


class Publisher(threading.Thread):
    """One thread that publishes."""

    def __init__(self, name: str, seed: str, fault: str, stop: threading.Event) -> None:
        super().__init__(name=name)
        self._fault = fault
        self._dice = random.Random(f"{seed}/{name}")
        self._stop_asked = stop
        self._number = 0

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            if self._fault == "without-lock":
                stack.enter_context(connection.execute_wrapper(without_lock))
            while not self._stop_asked.is_set():
                self._transact()
                self._stop_asked.wait(self._dice.uniform(0.005, 0.03))
        connection.close()

    def _transact(self) -> None:
        kept: list[str] = []
        undone: list[str] = []
        try:
            with transaction.atomic():
                self._dawdle()
                for _ in range(self._dice.choice((1, 1, 1, 2, 5))):
                    self._publish(kept)
                    if self._dice.random() < 0.15:
                        self._publish_and_think_better_of_it(undone)
                    self._dawdle()
                if self._dice.random() < 0.2:
                    raise Undo
        except Undo:
            undone, kept = undone + kept, []
        say("committed", kept)
        say("undone", undone)

    def _publish(self, keys: list[str]) -> None:
        from medimgr.events.log import publish

        self._number += 1
        keys.append(f"{self.name}/{self._number}")
        filling = "x" * self._dice.choice((0, 0, 10, 3000))
        publish(self._dice.choice(TOPICS), keys[-1], {"n": self._number, "filling": filling})

    def _publish_and_think_better_of_it(self, keys: list[str]) -> None:
        try:
            with transaction.atomic():
                self._publish(keys)
                raise Undo
        except Undo:
            return

    def _dawdle(self) -> None:
        if self._dice.random() < 0.3:
            time.sleep(self._dice.uniform(0, 0.01))


def say(word: str, keys: list[str]) -> None:
    if keys:
        sys.stdout.write(f"{word} {' '.join(keys)}\n")
        sys.stdout.flush()


def main(name: str, seed: str, fault: str = "") -> None:
    django.setup()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threads = [Publisher(f"{name}.{number}", seed, fault, stop) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
