"""Workstations by their tags."""

from workstations.models import Workstation


def tagged(tag: str) -> list[int]:
    """Return the ids of the workstations with ``tag``. One query for the tags of all.

    SQLite can't ask for a member of a list, and a fleet has hundreds, not millions.
    """
    return [pk for pk, tags in Workstation.objects.order_by("name").values_list("pk", "tags") if tag in tags]


def all_tags() -> list[str]:
    """Return every tag that is in use, in the order of the alphabet. One query."""
    return sorted({tag for tags in Workstation.objects.values_list("tags", flat=True) for tag in tags})
