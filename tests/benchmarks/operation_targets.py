"""What medimgr's operations are to reach, and whether they did."""

from collections.abc import Mapping

from tests.benchmarks import targets
from tests.benchmarks.targets import Target

ENGINES = ("SQLite", "PostgreSQL")
_STARTS = {"SQLite": 60, "PostgreSQL": 30}
_THROUGHPUT = {"SQLite": 300, "PostgreSQL": 800}


def reached_table(figures: Mapping[str, float], pages: int) -> str:
    """Return a Markdown table of what was found; ``pages``: with so many rows the pages were measured."""
    wanted: list[Target] = []
    for engine in ENGINES:
        wanted += _of(engine, figures, pages)
    return targets.reached_table(figures, wanted)


def _of(engine: str, figures: Mapping[str, float], pages: int) -> list[Target]:
    title = f"{pages:,} rows"
    return [
        Target(
            f"start {engine}",
            f"asked of the web process → handler started, p99, {engine}",
            "ms",
            _STARTS[engine],
        ),
        Target(f"throughput {engine}", f"throughput, {engine}", "a second", _THROUGHPUT[engine], least=True),
        *(
            Target(
                f"throughput {engine}", f"throughput beside {rival}, {engine}", "a second", figure, least=True
            )
            for rival, figure in _rivals(engine, figures).items()
        ),
        *([Target(f"purge {engine}", "purge, SQLite", "s", 60)] if engine == "SQLite" else []),
        Target(f"longest {engine}", f"the purge's longest transaction, {engine}", "ms", 100),
        Target(f"grown {engine}", f"the purge's memory over start, {engine}", "MB", 80),
        Target(f"others {engine}", f"the others' p99 meanwhile, of before, {engine}", "×", 3),
        Target(f"page {engine}", f"list page, slowest first page of {title}, {engine}", "ms", 100),
        Target(f"API {engine}", f"API, slowest first page of {title}, {engine}", "ms", 100),
        Target(f"admin {engine}", f"admin, slowest first page of {title}, {engine}", "ms", 100),
        Target(f"queries {engine}", f"queries more than with few rows, {engine}", "", 0),
    ]


def _rivals(engine: str, figures: Mapping[str, float]) -> dict[str, float]:
    end = f": throughput {engine}"
    return {name.removesuffix(end): value for name, value in figures.items() if name.endswith(end)}
