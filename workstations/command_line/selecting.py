"""From the words on the command line to workstations and emulators."""

import difflib
from collections.abc import Sequence

from workstations.exceptions import UnknownWorkstation
from workstations.models import Workstation
from workstations.tags import all_tags, tagged

_SHOWN = 12


def named(names: Sequence[str]) -> list[Workstation]:
    """Return the workstations with these names, each once, in the order given. Two queries at most.

    Raises UnknownWorkstation naming every one that does not exist and what is like it.
    """
    wanted = list(dict.fromkeys(names))
    possible = [name for name in wanted if "\0" not in name]  # PostgreSQL refuses it in a comparison
    found = {row.name: row for row in Workstation.objects.filter(name__in=possible)}
    unknown = [name for name in wanted if name not in found]
    if unknown:
        known = list(Workstation.objects.order_by("name").values_list("name", flat=True))
        raise UnknownWorkstation(" ".join(_not_found(name, known) for name in unknown))
    return [found[name] for name in wanted]


def with_tag(tag: str) -> list[Workstation]:
    """Return the workstations with a tag, by name. Two queries. Raises UnknownWorkstation for none."""
    rows = list(Workstation.objects.filter(pk__in=tagged(tag)).order_by("name"))
    if not rows:
        known = ", ".join(all_tags()) or "none"
        raise UnknownWorkstation(f"No workstation has the tag {tag!r}. Tags in use: {known}.")
    return rows


def _not_found(name: str, known: Sequence[str]) -> str:
    if not known:
        return (
            f"There is no workstation called {name!r}: none is declared yet. "
            "See manage.py workstations import."
        )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    likely = f" Did you mean {' or '.join(near)}?" if near else ""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"There is no workstation called {name!r}.{likely} Known: {', '.join(known[:_SHOWN])}{more}."
