"""The words that ``manage.py services`` understands."""

from argparse import ArgumentTypeError

from django.core.management.base import CommandParser

from monitoring.importers.formats import FORMATS

_LONGEST_REASON = 500


def declare(parser: CommandParser) -> None:
    """Declare the subcommands with their arguments."""
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")

    status = commands.add_parser(
        "status",
        help="Show what the services are doing.",
        description="Show what the services are doing. Exit code: 0 all well, 3 something needs attention, "
        "1 the command itself failed.",
    )
    status.add_argument("keys", nargs="*", metavar="KEY", help="Only these services.")
    status.add_argument("--node", default="", help="Only the services of this node.")
    status.add_argument("--json", action="store_true", help="As JSON, with all that is known.")

    for verb, what in (("start", "Start"), ("stop", "Stop"), ("restart", "Restart")):
        act = commands.add_parser(
            verb,
            help=f"{what} services and wait until it is done.",
            description=f"{what} services through their supervisors. Exit code: 0 done, 1 not all of it.",
        )
        act.add_argument("keys", nargs="*", metavar="KEY", help="Which services.")
        act.add_argument("--all", action="store_true", help="All declared services of the node.")
        act.add_argument("--node", default="", help="With --all: of which node (default: this one).")
        act.add_argument("--reason", type=_reason, default="", help="Why; kept with the operation.")
        act.add_argument("--yes", "-y", action="store_true", help="Do it in spite of the services' warnings.")
        act.add_argument("--no-wait", dest="wait", action="store_false", help="Only request it.")
        act.add_argument("--wait", dest="wait", action="store_true", help="Wait for the end (the default).")
        act.add_argument(
            "--timeout", type=_seconds, default=300.0, help="Wait so many seconds at most (default 300)."
        )
        act.set_defaults(force=False, rolling=False)
        if verb == "stop":
            act.add_argument(
                "--force",
                action="store_true",
                help="Kill at once instead of asking first; as a second stop does while it is stopping.",
            )
        if verb == "restart":
            act.add_argument(
                "--rolling",
                action="store_true",
                help="With their further copies, one after the other or as many at a time as min_ready "
                "allows; one that does not become ready ends it.",
            )

    scale = commands.add_parser(
        "scale",
        help="Change how many copies of a service run.",
        description="Change how many copies of a service run; those that stay keep their processes. Waits "
        "until new ones run. Exit code: 0 done, 1 not all of it.",
    )
    scale.add_argument("key", metavar="KEY", help="Which service.")
    scale.add_argument("instances", metavar="N", type=_instances, help="So many copies, from 1 to 100.")
    scale.add_argument("--yes", "-y", action="store_true", help="Do it in spite of the service's warning.")
    scale.add_argument("--no-wait", dest="wait", action="store_false", help="Do not wait for new ones.")
    scale.add_argument(
        "--timeout", type=_seconds, default=300.0, help="Wait so many seconds at most (default 300)."
    )

    tail = commands.add_parser("tail", help="Show the end of a service's log.")
    tail.add_argument("key", metavar="KEY", help="Which service.")
    tail.add_argument("-n", "--lines", type=_lines, default=20, help="So many lines (default 20).")
    tail.add_argument("-f", "--follow", action="store_true", help="Go on until Ctrl-C.")
    tail.add_argument(
        "--search", default="", metavar="TEXT", help="Only lines with this text, from the archives, too."
    )
    tail.add_argument(
        "--stderr",
        dest="of_stderr",  # the command's own stderr is one of Django's options
        action="store_true",
        help="The log of stderr, where that is apart.",
    )

    importing = commands.add_parser(
        "import",
        help="Declare services from a file: TOML, supervisord.conf, Procfile, PM2, systemd units.",
        description="Declare the services of a file: all of them, or none where anything is wrong. "
        "monitoring/demo/services.toml is an annotated example of TOML; docs/importing.md says what becomes "
        "of the other formats. What has no counterpart is listed. Services that are not in the file stay.",
    )
    importing.add_argument("files", nargs="+", metavar="FILE", help="The file; several for systemd's units.")
    importing.add_argument(
        "--from",
        dest="format",
        choices=FORMATS,
        help="The format (default: what the file's name or text looks like).",
    )
    importing.add_argument("--node", default="", help="On which node (default: this one).")
    importing.add_argument(
        "--env", default="", help="PM2: take env_NAME too. Procfile: the file of variables, such as .env."
    )
    importing.add_argument("--dry-run", action="store_true", help="Only show what would change.")
    importing.add_argument(
        "--diff", action="store_true", help="Show each field of new services, too; changed ones always are."
    )
    importing.add_argument(
        "--restart", action="store_true", help="Restart the running services that need it to apply."
    )
    importing.add_argument("--yes", "-y", action="store_true", help="With --restart: in spite of warnings.")
    importing.add_argument("--if-none", action="store_true", help="Only where no service is declared yet.")

    exporting = commands.add_parser(
        "export",
        help="Write the services as such a file.",
        description="Write the services in the format that import reads: importing it changes nothing. "
        "Values of the environment are written in clear, unless --without-secrets is given.",
    )
    exporting.add_argument("file", nargs="?", metavar="FILE", default="", help="Default: standard output.")
    exporting.add_argument("--node", default="", help="Of which node (default: this one).")
    exporting.add_argument("--overwrite", action="store_true", help="Replace FILE where it exists.")
    exporting.add_argument(
        "--without-secrets",
        action="store_true",
        help="Leave out the values that look like secrets; an import keeps what the database has for them.",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 86400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400.")
    return value


def _instances(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ArgumentTypeError(f"{text!r} is not a number of copies from 1 to 100.")
    return int(text)


def _lines(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 100_000:
        raise ArgumentTypeError(f"{text!r} is not a number of lines from 0 to 100000.")
    return int(text)


def _reason(text: str) -> str:
    if len(text) > _LONGEST_REASON:
        raise ArgumentTypeError(f"The reason has {len(text)} characters; at most {_LONGEST_REASON} are kept.")
    return text
