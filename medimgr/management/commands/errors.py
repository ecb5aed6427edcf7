"""``manage.py errors``: what a code means and what to do about it."""

import difflib
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from medimgr import error_tree
from monitoring.error_words import REASONS


class Command(BaseCommand):
    """Explains the codes of problems, of operations and of services."""

    help = "Explain error codes: `errors target-busy`, or all of them. Needs no database."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "codes", nargs="*", metavar="CODE", help="As in target-busy; all where none is given."
        )
        parser.add_argument("--markdown", action="store_true", help="The tables of docs/errors.md.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain. Exit status 1 for a code that there is not."""
        if options["markdown"]:
            self.stdout.write(error_tree.as_markdown(), ending="")
            return
        known = [kind.code for kinds in error_tree.tree().values() for kind in kinds]
        known += [code for code in REASONS if code not in known]
        for code in options["codes"] or sorted(known):
            lines = list(error_tree.explained(code))
            if not lines:
                near = difflib.get_close_matches(code, known, 1)
                hint = f" Did you mean {near[0]}?" if near else " Without a code, all are listed."
                raise CommandError(f"There is no code {code!r}.{hint}")
            self.stdout.write("\n".join(lines) + "\n")
