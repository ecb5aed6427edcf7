"""The words that ``manage.py workstations`` understands."""

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from workstations.connection import TIMEOUT_SECONDS


def declare(parser: CommandParser) -> None:
    """Declare the sub-commands with their arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="SUBCOMMAND")

    listing = verbs.add_parser("list", help="Show the declared workstations and how they are.")
    listing.add_argument("--tag", default="", help="Only those with this tag.")
    listing.add_argument("--json", action="store_true", help="As JSON, with all that is declared.")

    show = verbs.add_parser("show", help="Show one workstation with its emulators.")
    show.add_argument("name", help="The workstation's name.")
    show.add_argument("--json", action="store_true", help="As JSON.")

    test = verbs.add_parser(
        "test", help="Connect to the WinRM port of a workstation, from this machine, and say how it went."
    )
    test.add_argument("name", help="The workstation's name.")
    test.add_argument(
        "--timeout", type=_seconds, default=TIMEOUT_SECONDS, help="Seconds at most (default 5)."
    )

    _declare_actions(verbs)
    _declare_fleet(verbs)
    _declare_passwords(verbs)


def _declare_actions(verbs: Any) -> None:
    for verb, what in (("check", "Check the set-up of workstations"), ("scan", "Read their emulators")):
        act = verbs.add_parser(
            verb,
            help=f"{what}, and wait until it is done.",
            description=f"{what}, by the operations worker. Exit code: 0 done, 1 not all of it.",
        )
        act.add_argument("names", nargs="*", metavar="NAME", help="Which workstations.")
        act.add_argument("--tag", default="", help="All with this tag, instead.")
        act.add_argument("--all", action="store_true", help="All that are declared, instead.")
        _declare_waiting(act)
    for verb in ("start", "stop", "restart"):
        act = verbs.add_parser(
            verb,
            help=f"{verb.capitalize()} emulators, and wait until it is done.",
            description=f"{verb.capitalize()} emulators, by the operations worker, as many at a time as "
            "their workstation allows. Exit code: 0 done, 1 not all of it.",
        )
        act.add_argument("name", nargs="?", metavar="NAME", default="", help="Of which workstation.")
        act.add_argument(
            "--emulator", action="append", default=[], metavar="TITLE", help="This one; may be repeated."
        )
        act.add_argument(
            "--index", action="append", default=[], type=int, metavar="N", help="This one, by its index."
        )
        act.add_argument("--all", action="store_true", help="All of them.")
        act.add_argument("--tag", default="", help="With --all: on all workstations with this tag.")
        _declare_waiting(act)


def _declare_waiting(parser: CommandParser) -> None:
    parser.add_argument("--reason", default="", help="Why; kept with the operation.")
    parser.add_argument("--no-wait", dest="wait", action="store_false", help="Only ask for it.")
    parser.add_argument(
        "--timeout", type=_long, default=600.0, help="Wait so many seconds at most (default 600)."
    )


def _declare_fleet(verbs: Any) -> None:
    importing = verbs.add_parser(
        "import",
        help="Declare workstations from a TOML file.",
        description="Declare the workstations of a file: all of them, or none where anything is wrong. "
        "Those that are not in the file stay as they are.",
    )
    importing.add_argument("file", metavar="FILE", help="The file; - for the standard input.")
    importing.add_argument("--dry-run", action="store_true", help="Only show what would change.")
    importing.add_argument("--diff", action="store_true", help="Show each field of new workstations, too.")

    exporting = verbs.add_parser(
        "export",
        help="Write the declarations as such a file, without passwords.",
        description="Write the declarations in the format that import reads: importing it changes nothing.",
    )
    exporting.add_argument("file", nargs="?", metavar="FILE", default="", help="Default: standard output.")
    exporting.add_argument("--tag", default="", help="Only those with this tag.")
    exporting.add_argument("--overwrite", action="store_true", help="Replace FILE where it exists.")


def _declare_passwords(verbs: Any) -> None:
    setting = verbs.add_parser(
        "set-password",
        help="Store the password of workstations, encrypted.",
        description="Asks for the password at the terminal, or reads the first line of the standard input. "
        "It is no argument: everybody on this machine can read those.",
    )
    setting.add_argument("name", nargs="?", metavar="NAME", default="", help="Which workstation.")
    setting.add_argument("--tag", default="", help="All with this tag, instead.")
    setting.add_argument("--remove", action="store_true", help="Take the stored password away.")

    verbs.add_parser(
        "rotate-keys",
        help="Encrypt all stored passwords with the first key.",
        description="Encrypts all stored passwords with the first of MEDIMGR_ENCRYPTION_KEYS; after that the "
        "others may go. Exit code: 0 done, 1 some can't be read with any of the keys.",
    )
    verbs.add_parser("new-key", help="Print a new random key for MEDIMGR_ENCRYPTION_KEYS.")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 60:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0, up to 60.")
    return value


def _long(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400.")
    return value
