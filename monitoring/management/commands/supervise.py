"""Keep the services of one node running."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, CommandParser

from medimgr.tallies.process_report import SUPERVISOR
from medimgr.tallies.reporting import reporting
from monitoring.supervisor.builtin import remove_builtin
from monitoring.supervisor.nodelock import AlreadySupervised, NodeLock
from monitoring.supervisor.supervision import CannotGoOn, supervise


class Command(BaseCommand):
    """``manage.py supervise``: the supervisor alone, without web server and operations worker."""

    help = (
        "Keep the services of one node running: start, watch, restart and stop them. Ctrl-C or SIGTERM "
        "stops them all, a second one kills them; SIGHUP reads the declarations again. With --leave-running "
        "they end the supervisor alone, and the next one takes the services over as they are."
    )

    # The other checks load the pages and the API, which a supervisor never serves: 0.2 s and 15 MB.
    requires_system_checks = [Tags.files]

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--node", default="", help="the node to supervise (MEDIMGR_NODE by default)")
        parser.add_argument(
            "--leave-running",
            action="store_true",
            help="on Ctrl-C or SIGTERM leave the services running for the next supervisor",
        )

    def handle(self, *args: Any, node: str, leave_running: bool, **options: Any) -> None:
        """Run until a signal comes. Ends with 0, or with 1 where it cannot go on."""
        name = node or settings.MEDIMGR_NODE
        data_dir: Path = settings.MEDIMGR_DATA_DIR
        try:
            with NodeLock(data_dir, name), reporting(SUPERVISOR, name):
                code = supervise(
                    name,
                    data_dir,
                    prepare=lambda: remove_builtin(name),
                    say=self._say,
                    leave_running=leave_running,
                )
        except (AlreadySupervised, CannotGoOn) as error:
            raise CommandError(str(error)) from error
        if code:
            raise SystemExit(code)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
