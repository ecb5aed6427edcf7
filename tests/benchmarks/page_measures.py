"""How long the first pages of lists take the server, and how many queries."""

import json
import sys
from dataclasses import dataclass

from tests.benchmarks.operation_peers.medimgr_here import Medimgr
from tests.benchmarks.queue_measures import prepared


@dataclass(frozen=True, slots=True)
class Visit:
    """One first page."""

    where: str
    """``page``, ``API`` or ``admin``."""
    filter: str
    status: int
    ms: list[float]
    """Server time, one figure for each visit."""
    queries: int


def visits(database_url: str, rows: int, lines: int, rounds: int) -> list[Visit]:
    """Visit every first page ``rounds`` times, with ``rows`` finished operations. Raises CannotMeasure."""
    with prepared(Medimgr, database_url) as site:
        site.seed(rows, lines)
        module = "tests.benchmarks.operation_peers.visit_pages"
        told = site.run([sys.executable, "-m", module, str(rounds)])
    return [Visit(**json.loads(line)) for line in told.splitlines()]
