"""``manage.py purge_operations``: deletes finished operations, for cron."""

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from operations.purge import BATCH_SIZE, LARGEST_BATCH, purge, purgeable

MOST_HOURS = 24 * 366 * 100


class Command(BaseCommand):
    """Deletes finished operations older than some hours. Never one that waits or runs."""

    help = (
        "Delete finished operations older than --keep-hours, in small batches. Waiting and running ones stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--keep-hours", type=_hours, default=1.0, help="Keep what ended within so many hours (default 1)."
        )
        parser.add_argument(
            "--batch-size",
            type=_batch_size,
            default=BATCH_SIZE,
            help=f"Rows per transaction (default {BATCH_SIZE}).",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only count what would be deleted.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete or count, and say in one line how many. Exit status 1 where the database fails."""
        older_than = timezone.now() - timedelta(hours=options["keep_hours"])
        try:
            if options["dry_run"]:
                count, verb = purgeable(older_than).count(), "Would delete"
            else:
                count, verb = purge(older_than, batch_size=options["batch_size"]), "Deleted"
        except (DatabaseError, InterfaceError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CommandError(
                f"The database could not be used, so the purge did not end: {reason}"
            ) from error
        age = f"{options['keep_hours']:g} h"
        self.stdout.write(f"{verb} {count} finished operation{'' if count == 1 else 's'} older than {age}.")


def _hours(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number of hours.") from None
    if not 0 <= value <= MOST_HOURS:
        raise ArgumentTypeError(f"{text!r} is no age: write a number of hours from 0 to {MOST_HOURS}.")
    return value


def _batch_size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_BATCH:
        raise ArgumentTypeError(f"{text!r} is not a number of rows from 1 to {LARGEST_BATCH}.")
    return int(text)
