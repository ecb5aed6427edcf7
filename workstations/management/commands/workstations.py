"""``manage.py workstations test NAME``: tries workstations from a shell."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workstations.connection import TIMEOUT_SECONDS, test_connection
from workstations.handlers import record
from workstations.models import Workstation


class Command(BaseCommand):
    """Acts on the declared workstations."""

    help = "Act on the declared workstations."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the sub-commands."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        test = verbs.add_parser(
            "test", help="Connect to the WinRM port of a workstation, from this machine, and say how it went."
        )
        test.add_argument("name", help="The workstation's name.")
        test.add_argument(
            "--timeout", type=_seconds, default=TIMEOUT_SECONDS, help="Seconds at most (default 5)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Test at once, store the result, print a line; exit status 1 where it can't be reached."""
        workstation = Workstation.objects.filter(name=options["name"]).first()
        if workstation is None:
            known = ", ".join(Workstation.objects.values_list("name", flat=True)) or "none is declared yet"
            raise CommandError(
                f"There is no workstation called {options['name']!r}. Known: {known}.", returncode=2
            )
        result = test_connection(workstation, options["timeout"])
        record(workstation, result)
        name, milliseconds = result["workstation_name"], result["response_time_ms"]
        if result["connected"]:
            self.stdout.write(f"{name}: online, {milliseconds:g} ms")
            return
        self.stderr.write(f"{name}: {result['status']}. {result['error_message']}")
        sys.exit(1)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, up to 60.")
    return value
