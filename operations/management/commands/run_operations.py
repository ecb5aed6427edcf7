"""``manage.py run_operations``: the operations worker."""

import sys
import threading
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from medimgr.lib.stop_signals import stop_signals
from medimgr.tallies.process_report import OPERATIONS
from medimgr.tallies.reporting import reporting
from operations.chores import ChoreRunner
from operations.worker import Worker


class Command(BaseCommand):
    """Carries out operations and chores until it is told to stop."""

    help = (
        "Carry out the operations that wait for the operations worker, and the periodic chores. SIGTERM or "
        "Ctrl-C: take nothing new, let running work end; a second one cuts that short."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        until = parser.add_mutually_exclusive_group()
        until.add_argument("--once", action="store_true", help="Carry out one operation at most, then end.")
        until.add_argument("--drain", action="store_true", help="End once nothing waits.")
        parser.add_argument(
            "--threads",
            type=_threads,
            default=4,
            help="Operations at a time (default 4). Queues with threads of their own add theirs.",
        )
        parser.add_argument(
            "--grace-seconds",
            type=_seconds,
            default=8.0,
            help="How long running operations may go on after SIGTERM (default 8).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run executors and chores; exit status 1 where an operation had to be abandoned."""
        operations = Worker(threads=options["threads"], grace_seconds=options["grace_seconds"])
        passing = options["once"] or options["drain"]
        chores = None if passing else ChoreRunner(operations.owner)
        abandoned = 0
        failure: BaseException | None = None
        with stop_signals() as signals, reporting(OPERATIONS):

            def work() -> None:
                nonlocal abandoned, failure
                try:
                    abandoned = operations.run_one() if options["once"] else operations.run(drain=passing)
                except BaseException as error:
                    failure = error
                finally:
                    signals.done()

            worker = threading.Thread(target=work, name="worker", daemon=True)
            if chores is not None:
                chores.start()
                self.stdout.write(f"Operations worker {operations.owner} is ready.")
                self.stdout.flush()
            worker.start()
            signals.watch(operations.stop, operations.force)
            worker.join()
        if failure is not None:
            raise failure
        if chores is not None:
            chores.end(grace_seconds=0.0 if abandoned else 2.0)
        if abandoned:
            self.stderr.write(f"{abandoned} operation(s) were still under way and are marked FAILED.")
            sys.exit(1)


def _threads(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ArgumentTypeError(f"{text!r} is not a number of threads from 1 to 64.")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600.")
    return value
