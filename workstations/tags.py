"""Workstations by their tags."""

from medimgr.lib.access import Person
from workstations.models import Workstation


def tagged(tag: str, user: Person | None = None) -> list[int]:
    """Return the ids of the workstations with ``tag`` that ``user`` may look at; None, a command, sees all.

    One query for the tags of all, since SQLite can't ask for a member of a list, and a fleet has hundreds,
    not millions; and those of ``visible_to``.
    """
    rows = Workstation.objects.visible_to(user).order_by("name")
    return [pk for pk, tags in rows.values_list("pk", "tags") if tag in tags]


def all_tags(user: Person | None = None) -> list[str]:
    """Return every tag of what ``user`` may look at (None: of all), in the order of the alphabet.

    One query, and those of ``visible_to``.
    """
    rows = Workstation.objects.visible_to(user)
    return sorted({tag for tags in rows.values_list("tags", flat=True) for tag in tags})
