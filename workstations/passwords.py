"""The stored passwords: which may be stored, and how they get under a new key."""

from dataclasses import dataclass, field

from medimgr.lib.branches import ValidationProblem
from medimgr.lib.sealing import Unreadable, is_newest, resealed, unsealed
from workstations.models import Workstation

LONGEST = 256


class BadPassword(ValidationProblem):
    """The password can't be stored."""

    code = "bad-password"
    status = 422
    remedy = "Type it anew, without control characters and no longer than Windows takes."


def password_fault(password: str) -> str:
    """Return what is wrong with a password, never with the password in it; empty where nothing is. Pure."""
    if len(password) > LONGEST:
        return f"It has {len(password)} characters; Windows takes {LONGEST} at most."
    if any(ord(character) < 32 or ord(character) == 127 for character in password):
        return "It has control characters, such as the end of a line. Nobody can type these."
    return ""


def check_password(password: str) -> None:
    """Raise BadPassword, naming the field, where ``password`` can't be stored. Pure."""
    fault = password_fault(password)
    if fault:
        raise BadPassword(f"The password can't be stored. {fault}", errors={"password": [fault]})


@dataclass(slots=True)
class Rotation:
    """What came of putting all passwords under the first key. Names of workstations, in their order."""

    rotated: list[str] = field(default_factory=list)
    newest: list[str] = field(default_factory=list)
    """Already under the first key."""
    unreadable: list[str] = field(default_factory=list)
    """None of the keys opens it: the old key is missing, or the password has to be entered again."""


def rotate() -> Rotation:
    """Encrypt every stored password with the first of MEDIMGR_ENCRYPTION_KEYS. Raises NoKey.

    One query, and one for each that is encrypted anew; a password that is changed meanwhile is kept. It can
    be cut off and repeated at any point: each password is readable before and after.
    """
    outcome = Rotation()
    rows = Workstation.objects.exclude(password_sealed="").order_by("name")
    for pk, name, token in rows.values_list("pk", "name", "password_sealed"):
        try:
            if is_newest(token):
                outcome.newest.append(name)
                continue
            fresh = resealed(token)
        except Unreadable:
            outcome.unreadable.append(name)
            continue
        # Where it is not the same any more, somebody has just stored another, under the first key.
        Workstation.objects.filter(pk=pk, password_sealed=token).update(password_sealed=fresh)
        outcome.rotated.append(name)
    return outcome


def unreadable() -> list[str]:
    """Return the names of workstations whose password none of the keys opens. Raises NoKey. One query."""
    found = []
    rows = Workstation.objects.exclude(password_sealed="").order_by("name")
    for name, token in rows.values_list("name", "password_sealed"):
        try:
            unsealed(token)
        except Unreadable:
            found.append(name)
    return found
