"""``manage.py tokens``: issue, list and revoke the long-lived tokens of programs."""

import json
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from medimgr.accounts import machine_tokens, token_rows
from medimgr.accounts.exceptions import UnknownToken
from medimgr.accounts.machine_tokens import Issuer
from medimgr.accounts.models import MachineToken
from medimgr.lib.problems import Problem
from medimgr.lib.roles import Role, permissions_of
from medimgr.lib.shell_name import shell_name

DEFAULT_DAYS = 365.0


class Command(BaseCommand):
    """Does what the admin does with machines' tokens, for whoever has a shell."""

    help = "Issue, list and revoke the long-lived tokens by which programs use the API."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the sub-commands."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        issue = verbs.add_parser("issue", help="Print a new token, once: it is stored nowhere.")
        issue.add_argument("name", help="What it is for; names are never used twice.")
        issue.add_argument("--user", required=True, help="The staff account that it acts as.")
        rights = issue.add_mutually_exclusive_group(required=True)
        rights.add_argument("--role", choices=[str(role) for role in Role], help="All that this role may do.")
        rights.add_argument(
            "--permission",
            action="append",
            metavar="APP.CODENAME",
            help="As in monitoring.start_service. May be given several times.",
        )
        issue.add_argument("--group", action="append", default=[], help="Only services in this group, too.")
        issue.add_argument("--tag", action="append", default=[], help="Only workstations with this tag, too.")
        life = issue.add_mutually_exclusive_group()
        life.add_argument(
            "--expires-days", type=float, default=DEFAULT_DAYS, metavar="N", help="Default: %(default)g."
        )
        life.add_argument("--never", action="store_true", help="It does not expire.")
        listed = verbs.add_parser("list", help="What tokens there are, and when each was used last.")
        listed.add_argument("--json", action="store_true", help="For programs.")
        revoke = verbs.add_parser("revoke", help="Have a token refused from now on, for good.")
        revoke.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the sub-command. Exit codes: 0 done, 1 not done, 2 no such token."""
        try:
            getattr(self, f"_{options['verb']}")(options)
        except UnknownToken as problem:
            raise CommandError(problem.detail, returncode=2) from problem
        except Problem as problem:
            raise CommandError(problem.detail) from problem
        except (DatabaseError, InterfaceError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise CommandError(
                f"The database could not be used: {reason}. Is it there, and has manage.py migrate been run?"
            ) from error

    def _issue(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['user']!r}. Make one in the admin first.")
        permissions = permissions_of(Role(options["role"])) if options["role"] else options["permission"]
        issued = machine_tokens.issue(
            options["name"],
            user,
            self._issuer(),
            permissions=permissions,
            groups=options["group"],
            tags=options["tag"],
            days=None if options["never"] else options["expires_days"],
        )
        lacking = sorted(set(issued.row.permissions) - user.get_all_permissions())
        if lacking:
            self.stderr.write(
                f"Note: {user} has not {', '.join(lacking)}. The token gives them once the account has them."
            )
        self.stderr.write("Keep this; it is shown once, and can't be looked up again:")
        self.stdout.write(issued.token)

    def _list(self, options: dict[str, Any]) -> None:
        rows = list(MachineToken.objects.select_related("user").order_by("name"))
        now = timezone.now()
        if options["json"]:
            self.stdout.write(json.dumps([token_rows.plain(row, now) for row in rows], indent=2))
        else:
            self.stdout.write(token_rows.table(rows, now))

    def _revoke(self, options: dict[str, Any]) -> None:
        row = machine_tokens.named(options["name"])
        if machine_tokens.revoke(row, self._issuer()):
            self.stdout.write(f"{row.name} is revoked. Streams that it has open end within a heartbeat.")
        else:
            self.stdout.write(
                f"{row.name} was revoked before, by {machine_tokens.named(row.name).revoked_by}."
            )

    def _issuer(self) -> Issuer:
        return Issuer(name=shell_name(), source="command")
