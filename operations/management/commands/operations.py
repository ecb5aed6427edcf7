"""``manage.py operations``: ask for operations, look at them, cancel them, ask again, from a shell."""

import json
import time
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from medimgr.lib.problems import Problem
from operations import registry, words
from operations.asking import ask, called
from operations.intake import retry
from operations.lifecycle import request_cancel
from operations.models import Operation
from operations.shell_requester import requester
from operations.states import FINISHED, Status

LOOK_SECONDS = 0.2
SHOWN = 20


class Command(BaseCommand):
    """Does from a shell what the page and the API do, through the same doors."""

    help = "Ask for operations, look at them, cancel them and ask for them again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        commands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        asking = commands.add_parser(
            "ask",
            help="Ask for an operation.",
            description="Ask for an operation. Exit status: 0 accepted (with --wait: it ended as SUCCESS), "
            "1 refused, or ended otherwise.",
        )
        asking.add_argument("kind", metavar="KIND", help="As manage.py operations kinds shows them.")
        asking.add_argument("target", metavar="TARGET", help="As in service:backend.")
        asking.add_argument(
            "--parameters", type=_object, default={}, metavar="JSON", help="As in '{\"force\": true}'."
        )
        asking.add_argument("--reason", default="", help="Why; kept with the operation.")
        asking.add_argument(
            "--key", default="", help="The same key with the same request asks for nothing a second time."
        )
        asking.add_argument("--priority", type=int, default=0, help="-100 to 100; higher goes first.")
        asking.add_argument(
            "--not-before", type=_moment, metavar="TIME", help="As in 2026-12-24T02:00:00+01:00."
        )
        asking.add_argument("--wait", action="store_true", help="Wait until it has ended, and say how.")
        for name, what in (("show", "Show one"), ("cancel", "Cancel one"), ("retry", "Ask for one again")):
            one = commands.add_parser(name, help=f"{what}.")
            one.add_argument("id", metavar="ID", type=int, help="The number of the operation.")
        commands.add_parser("list", help=f"Show the newest {SHOWN}.")
        commands.add_parser("kinds", help="Show what can be asked for.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand. A refusal is written as ``code: what happened``, exit status 1."""
        try:
            getattr(self, f"_{options['subcommand']}")(options)
        except Problem as problem:
            raise CommandError(f"{problem.code}: {problem.detail}") from problem
        except (DatabaseError, InterfaceError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CommandError(f"database: The database could not be used: {reason}") from error

    def _ask(self, options: dict[str, Any]) -> None:
        operation = ask(
            options["kind"],
            options["target"],
            requester(),
            parameters=options["parameters"],
            reason=options["reason"],
            idempotency_key=options["key"],
            priority=options["priority"],
            run_after=options["not_before"],
        )
        if options["wait"]:
            while Status(operation.status) not in FINISHED:
                time.sleep(LOOK_SECONDS)
                operation = called(operation.pk, None)
        self._tell(operation)
        if options["wait"] and operation.status != Status.SUCCESS:
            raise SystemExit(1)

    def _show(self, options: dict[str, Any]) -> None:
        self._tell(called(options["id"], None))

    def _cancel(self, options: dict[str, Any]) -> None:
        self._tell(request_cancel(called(options["id"], None), requester()))

    def _retry(self, options: dict[str, Any]) -> None:
        self._tell(retry(called(options["id"], None), requester()))

    def _list(self, options: dict[str, Any]) -> None:  # noqa: ARG002
        for operation in Operation.objects.order_by("-id")[:SHOWN]:
            self._tell(operation)

    def _kinds(self, options: dict[str, Any]) -> None:  # noqa: ARG002
        for name, kind in sorted(registry.all_kinds().items()):
            target = f"{kind.target_type}:KEY" if kind.target_field else kind.target_type
            self.stdout.write(f"{name:<30} {target:<18} {kind.label}")

    def _tell(self, operation: Operation) -> None:
        self.stdout.write(f"{words.name(operation)}: {_state(operation)}")


def _state(operation: Operation) -> str:
    if Status(operation.status) in FINISHED:
        return words.ended(operation)
    return f"{words.status(operation).lower()}, asked for by {operation.requester}."


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time: write it as 2026-12-24T02:00:00+01:00.") from None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ArgumentTypeError(f"{text!r} is no JSON object.")
    return value
