"""``workstations set-password`` and ``rotate-keys``: passwords come by the terminal or the standard input."""

import getpass
from typing import TextIO

from workstations.exceptions import NoPassword, NotAllReadable
from workstations.passwords import Rotation, check_password

_NAMED = 20


def typed(stdin: TextIO, names: str) -> str:
    """Return the password for ``names``, asked for twice at a terminal, else the first line of ``stdin``.

    Raises NoPassword, BadPassword.
    """
    if stdin.isatty():
        password = getpass.getpass(f"Password for {names}: ")
        if password and getpass.getpass("Once more: ") != password:
            raise NoPassword("The two are not the same; nothing was stored.")
    else:
        password = stdin.readline().removesuffix("\n").removesuffix("\r")
    if not password:
        raise NoPassword("No password was given; nothing was stored. --remove takes a stored one away.")
    check_password(password)
    return password


def rotated(outcome: Rotation) -> str:
    """Return what a rotation came to, in words. Raises NotAllReadable naming what none of the keys opens."""
    done = f"{len(outcome.rotated)} encrypted anew, {len(outcome.newest)} already under the first key."
    if not outcome.unreadable:
        return f"{done} Only the first key is needed from now on."
    lost = outcome.unreadable
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    raise NotAllReadable(
        f"{done} None of the keys opens the password of {', '.join(lost[:_NAMED])}{more}. Add the key that "
        "it was stored with behind the others in MEDIMGR_ENCRYPTION_KEYS and repeat this, or enter the "
        "password again (manage.py workstations set-password NAME)."
    )
