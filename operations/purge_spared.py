"""Which ended operations stay however old they are: the newest of each target."""

from collections import OrderedDict
from collections.abc import Iterable

from django.db.models import OuterRef, Subquery

from operations.models import Operation

REMEMBERED = 20_000
"""Of so many targets it is remembered which is the oldest that stays."""

Target = tuple[str, str]


class Newest:
    """The newest ``count`` ended operations of each target, by number: that is the order they were asked for.

    What ends meanwhile makes more go, never less: who goes by what was remembered keeps some too many.
    """

    def __init__(self, count: int) -> None:
        """Prepare; ``count`` 0: none stays."""
        self.count = count
        self._oldest: OrderedDict[Target, int] = OrderedDict()

    def among(self, rows: Iterable[tuple[int, Target]]) -> set[int]:
        """Return which of ``rows``, ids with their targets, stay.

        One query where there are targets not met before, which reads ``count`` operations of each of them;
        none where nothing is to stay.
        """
        if self.count < 1:
            return set()
        rows = list(rows)
        wanted = {target: pk for pk, target in rows}
        oldest = {target: self._oldest[target] for target in wanted if target in self._oldest}
        unknown = [pk for target, pk in wanted.items() if target not in oldest]
        if unknown:
            oldest |= self._ask(unknown)
        # Of a target that nothing was found of, the row has gone meanwhile: nothing of it goes this time.
        return {pk for pk, target in rows if pk >= oldest.get(target, 0)}

    def _ask(self, examples: list[int]) -> dict[Target, int]:
        """Return the smallest id that stays of the target of each example; 0 where all of its may stay."""
        # Not by status, which would be another index, without the order.
        same = Operation.objects.filter(
            target_type=OuterRef("target_type"),
            target_key=OuterRef("target_key"),
            finished_at__isnull=False,
        ).order_by("-id")
        nth = Subquery(same.values("pk")[self.count - 1 : self.count])
        rows = Operation.objects.filter(pk__in=examples).order_by()
        asked = {(kind, key): pk or 0 for kind, key, pk in rows.values_list("target_type", "target_key", nth)}
        self._oldest |= asked
        while len(self._oldest) > REMEMBERED:
            self._oldest.popitem(last=False)
        return asked
