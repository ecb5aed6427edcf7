"""``manage.py purge_operations``: deletes finished operations, for cron."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from medimgr.lib.problems import Problem
from operations import words
from operations.carrying_out_here import carry_out_here
from operations.exceptions import TargetBusy
from operations.models import Operation
from operations.purge import MOST_AT_A_TIME, Purge
from operations.purge_operation import PurgeParameters, ask_for_purge, checked, deleted, end_abandoned
from operations.purge_status import status_lines
from operations.shell_requester import requester
from operations.states import Status

BAD_USAGE = 2
UNDER_WAY = 75
"""As sysexits.h has it: try again later."""


class Command(BaseCommand):
    """Deletes finished operations older than some hours. Never one that waits or runs."""

    help = (
        "Delete finished operations older than --keep-hours, with their logs, in small batches. Waiting and "
        "running ones stay. Exit status: 0 done, 1 it failed or was cancelled, 2 bad options, 75 another one "
        "is under way."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options. What they may be is checked where the API's are, in the same words."""
        parser.add_argument(
            "--keep-hours", default="1", metavar="H", help="Keep what ended within so many hours (default 1)."
        )
        parser.add_argument(
            "--keep-per-target",
            default="0",
            metavar="N",
            help="Keep the newest N of each target, however old they are (default 0).",
        )
        parser.add_argument(
            "--batch-size",
            default=str(MOST_AT_A_TIME),
            metavar="N",
            help=f"Rows per transaction at most (default {MOST_AT_A_TIME}); fewer where those take long.",
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="Only count what would be deleted.")
        what.add_argument(
            "--status",
            action="store_true",
            help="Show what is stored, what would go, and when; delete nothing.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, count or show. Raises CommandError, whose exit status says what went wrong."""
        given = {name: options[name] for name in ("keep_hours", "keep_per_target", "batch_size")}
        try:
            wanted = checked(requester(), **given)
            if options["status"]:
                for line in status_lines(wanted):
                    self.stdout.write(line)
            elif options["dry_run"]:
                self._say("Would delete", _count(wanted), wanted, options)
            else:
                self._purge(wanted, options)
        except TargetBusy as problem:
            raise CommandError(f"{problem.code}: {problem.detail}", returncode=UNDER_WAY) from problem
        except Problem as problem:
            raise CommandError(f"{problem.code}: {problem.detail}", returncode=BAD_USAGE) from problem
        except (DatabaseError, InterfaceError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CommandError(
                f"database: The database could not be used, so the purge did not end: {reason}"
            ) from error

    def _purge(self, wanted: PurgeParameters, options: dict[str, Any]) -> None:
        end_abandoned()
        ended = carry_out_here(lambda queue: ask_for_purge(requester(), queue=queue, **wanted.model_dump()))
        if ended.status != Status.SUCCESS:
            code = UNDER_WAY if ended.started_at is None else 1
            raise CommandError(
                f"{_how(ended)} {ended.progress_message or 'Nothing deleted'}.", returncode=code
            )
        self._say("Deleted", deleted(ended), wanted, options)

    def _say(self, verb: str, count: int, wanted: PurgeParameters, options: dict[str, Any]) -> None:
        if options["verbosity"] > 0:
            but = (
                f", but for the newest {wanted.keep_per_target} of each target"
                if wanted.keep_per_target
                else ""
            )
            what = f"finished operation{'' if count == 1 else 's'}"
            self.stdout.write(f"{verb} {count} {what} older than {wanted.keep_hours:g} h{but}.")


def _how(operation: Operation) -> str:
    return f"{words.name(operation)}: {words.ended(operation)}"


def _count(wanted: PurgeParameters) -> int:
    walk = Purge(timezone.now() - timedelta(hours=wanted.keep_hours), keep_per_target=wanted.keep_per_target)
    return walk.count()
