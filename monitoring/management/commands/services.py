"""``manage.py services``: look at the services and act on them from a shell."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from medimgr.lib.private_file import write_private_file
from medimgr.lib.problems import Problem
from monitoring.actions import Verb
from monitoring.command_line import acting, arguments, importing, log_tail, scaling, selection, status
from monitoring.exceptions import NoLogYet
from monitoring.import_requests import import_for
from monitoring.importers.importing import read_files
from monitoring.importers.sources import Options
from monitoring.importers.toml_writing import export_services, secret_variables
from monitoring.models import Service
from operations.shell_requester import requester


class Command(BaseCommand):
    """Does from a shell what the page does, through the same operations."""

    help = "Show, start, stop and restart services, read their logs, import and export their declarations."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        arguments.declare(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand. Exit codes: 0 done, 1 failed, 3 (status) something needs attention."""
        try:
            getattr(self, f"_{options['subcommand']}")(options)
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        except (DatabaseError, InterfaceError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CommandError(
                f"The database could not be used: {reason}. Is it there, and has manage.py migrate been run?"
            ) from error
        except BrokenPipeError:
            # Whoever read our output, such as head, has seen enough. Python flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except KeyboardInterrupt:
            self.stderr.write("Interrupted. What was requested goes on.")
            raise SystemExit(130) from None

    def _status(self, options: dict[str, Any]) -> None:
        report = status.report(
            options["keys"],
            node=self._known_node(options) if options["node"] else "",
            as_json=options["json"],
            style=self.style,
        )
        self.stdout.write(report.text)
        if report.exit_code:
            raise SystemExit(report.exit_code)

    def _start(self, options: dict[str, Any]) -> None:
        self._act("start", options)

    def _stop(self, options: dict[str, Any]) -> None:
        self._act("stop", options)

    def _restart(self, options: dict[str, Any]) -> None:
        self._act("restart", options)

    def _act(self, verb: Verb, options: dict[str, Any]) -> None:
        if options["all"] == bool(options["keys"]):
            raise CommandError(f"Say what to {verb}: keys of services, or --all.")
        if options["all"]:
            services = selection.services_of(self._known_node(options))
            if not services:
                raise CommandError("No services are declared there. See manage.py services import.")
        else:
            services = selection.named(options["keys"])
        if options["rolling"]:
            services = selection.with_copies(services)
        order = acting.Order(
            verb,
            services,
            reason=options["reason"],
            force=options["force"],
            rolling=options["rolling"],
            confirmed=options["yes"],
            wait=options["wait"],
            timeout=options["timeout"],
        )
        acting.carry_out(order, self._say, self._confirm)

    def _scale(self, options: dict[str, Any]) -> None:
        scaling.carry_out(
            selection.named([options["key"]])[0],
            options["instances"],
            self._say,
            confirm=lambda question: options["yes"] or self._confirm(question),
            timeout=options["timeout"] if options["wait"] else None,
        )

    def _tail(self, options: dict[str, Any]) -> None:
        service = selection.named([options["key"]])[0]
        wanted = log_tail.Wanted(
            options["lines"], options["search"], "stderr" if options["of_stderr"] else "stdout"
        )
        place = log_tail.show(service, wanted, self._write, self.stderr.write)
        if options["follow"]:
            try:
                log_tail.follow(service, wanted, place, self._write, self.stderr.write)
            except KeyboardInterrupt:
                return
        elif not place.inode and not place.offset:
            raise NoLogYet(f"{service.key} has not written a log yet: there is no {service.log_path}.")

    def _import(self, options: dict[str, Any]) -> None:
        declared = Service.objects.filter(builtin=False).count()
        if options["if_none"] and declared:
            self.stdout.write(f"{declared} services are declared already; nothing was imported.")
            return
        node = options["node"] or settings.MEDIMGR_NODE
        done = import_for(
            requester(),
            read_files(options["files"]),
            options["format"],
            Options(os.environ, options["env"]),
            node=node,
            dry_run=options["dry_run"],
        )
        lines = importing.told(done.changes, dry_run=done.dry_run, diff=options["diff"])
        lines += [*importing.listed(done.remarks), *importing.left_alone(done.changes, node)]
        restarts = options["restart"] and not done.dry_run
        self.stdout.write("\n".join(lines + ([] if restarts else importing.restart_to_apply(done))))
        if restarts:
            importing.restart(done, options["files"], self._say, self._confirm, confirmed=options["yes"])

    def _export(self, options: dict[str, Any]) -> None:
        services = Service.objects.on(self._known_node(options)).order_by("group", "priority", "key")
        text = export_services(services, without_secrets=options["without_secrets"])
        if options["file"]:
            write_private_file(Path(options["file"]), text, overwrite=options["overwrite"])
        else:
            self._write(text)
        secrets = [] if options["without_secrets"] else secret_variables(services)
        if secrets:
            self.stderr.write(
                f"It holds {len(secrets)} value(s) in clear that look like secrets: {', '.join(secrets)}. "
                "Keep it safe, or use --without-secrets."
            )

    def _known_node(self, options: dict[str, Any]) -> str:
        node = options["node"] or settings.MEDIMGR_NODE
        if options["node"]:
            selection.check_node(node)
        return str(node)

    def _say(self, line: str, *, bad: bool = False) -> None:
        # Told at once: whoever waits wants to see it happen.
        if bad:
            self.stderr.write(line)
        else:
            self.stdout.write(line)
        self.stdout.flush()

    def _write(self, text: str) -> None:
        self.stdout.write(text, ending="")
        self.stdout.flush()

    def _confirm(self, question: str) -> bool:
        """Ask at the terminal; without one nobody can have confirmed anything."""
        if not (sys.stdin and sys.stdin.isatty()):
            return False
        self.stdout.write(question, ending="")
        self.stdout.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
