"""``manage.py workstations``: declare workstations, look at them and act on them from a shell."""

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, transaction

from medimgr.lib.private_file import write_private_file
from medimgr.lib.problems import Problem
from medimgr.lib.sealing import new_key
from operations.auditing import record_act, record_import
from operations.shell_requester import requester
from workstations.command_line import acting, arguments, fleet_words, listing, passwords_typed, selecting
from workstations.connection import test_connection
from workstations.connection_results import record
from workstations.declaring import redeclare
from workstations.exceptions import UnknownWorkstation
from workstations.fleet_file import reading
from workstations.fleet_file.saving import import_fleet
from workstations.fleet_file.writing import export_fleet
from workstations.models import Workstation
from workstations.passwords import rotate


class Command(BaseCommand):
    """Does from a shell what page, admin and API do."""

    help = "Declare workstations, look at them, act on them and their emulators, keep their passwords."
    stealth_options = ("stdin",)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the sub-commands."""
        arguments.declare(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the sub-command. Exit codes: 0 done, 1 not or not all of it, 2 no such workstation."""
        try:
            getattr(self, f"_{options['verb'].replace('-', '_')}")(options)
        except UnknownWorkstation as problem:
            raise CommandError(problem.detail, returncode=2) from problem
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
            self.stderr.write("Interrupted. What was asked for goes on.")
            raise SystemExit(130) from None

    # --- looking ---------------------------------------------------------------------------

    def _list(self, options: dict[str, Any]) -> None:
        self.stdout.write(listing.listed(self._tagged(options), self.style, as_json=options["json"]))

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write(listing.shown(selecting.named([options["name"]])[0], as_json=options["json"]))

    def _test(self, options: dict[str, Any]) -> None:
        workstation = selecting.named([options["name"]])[0]
        result = test_connection(workstation, options["timeout"])
        record(workstation, result)
        name, milliseconds = result["workstation_name"], result["response_time_ms"]
        if result["connected"]:
            self.stdout.write(f"{name}: online, {milliseconds:g} ms")
            return
        self.stderr.write(f"{name}: {result['status']}. {result['error_message']}")
        raise SystemExit(1)

    # --- acting ----------------------------------------------------------------------------

    def _check(self, options: dict[str, Any]) -> None:
        acting.carry_out("check-host", acting.chosen_workstations(options), options, self._say)

    def _scan(self, options: dict[str, Any]) -> None:
        acting.carry_out("scan", acting.chosen_workstations(options), options, self._say)

    def _start(self, options: dict[str, Any]) -> None:
        acting.carry_out("start", acting.chosen_emulators(options), options, self._say)

    def _stop(self, options: dict[str, Any]) -> None:
        acting.carry_out("stop", acting.chosen_emulators(options), options, self._say)

    def _restart(self, options: dict[str, Any]) -> None:
        acting.carry_out("restart", acting.chosen_emulators(options), options, self._say)

    def _say(self, line: str, *, bad: bool = False) -> None:
        (self.stderr if bad else self.stdout).write(line)
        self.stdout.flush()  # whoever waits wants to see it happen

    # --- the fleet as a file ---------------------------------------------------------------

    def _import(self, options: dict[str, Any]) -> None:
        name = "the standard input" if options["file"] == "-" else options["file"]
        fleet = reading.read(name, reading.decoded(name, self._content(options)))
        with transaction.atomic():
            done = import_fleet(fleet, dry_run=options["dry_run"])
            if not done.dry_run:
                record_import(requester(), "workstations", done.by_name())
        self.stdout.write("\n".join(fleet_words.told(done, diff=options["diff"])))

    def _content(self, options: dict[str, Any]) -> bytes:
        try:
            if options["file"] == "-":
                return sys.stdin.buffer.read(reading.LARGEST_FILE + 1)
            with Path(options["file"]).open("rb") as file:
                return file.read(reading.LARGEST_FILE + 1)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None

    def _export(self, options: dict[str, Any]) -> None:
        text = export_fleet(self._tagged(options))
        if options["file"]:
            write_private_file(Path(options["file"]), text, overwrite=options["overwrite"])
        else:
            self.stdout.write(text, ending="")

    # --- passwords -------------------------------------------------------------------------

    def _set_password(self, options: dict[str, Any]) -> None:
        if bool(options["name"]) == bool(options["tag"]):
            raise CommandError("Say of which workstation: its name, or --tag TAG for all that have it.")
        rows = self._tagged(options) if options["tag"] else selecting.named([options["name"]])
        names = ", ".join(row.name for row in rows)
        password = (
            "" if options["remove"] else passwords_typed.typed(options.get("stdin") or sys.stdin, names)
        )
        for row in rows:
            with transaction.atomic():
                redeclare(row.pk, {}, password)
                target, detail = f"workstation:{row.pk}", "Its password."
                record_act(requester(), "workstation.change", target=target, name=row.name, detail=detail)
        done = "stored, encrypted" if password else "taken away"
        self.stdout.write(f"{names}: the password is {done}.")

    def _rotate_keys(self, _options: dict[str, Any]) -> None:
        self.stdout.write(passwords_typed.rotated(rotate()))

    def _new_key(self, _options: dict[str, Any]) -> None:
        self.stdout.write(new_key())

    def _tagged(self, options: dict[str, Any]) -> list[Workstation]:
        if options["tag"]:
            return selecting.with_tag(options["tag"])
        return list(Workstation.objects.order_by("name"))
