"""Text in aligned columns. Pure."""

from collections.abc import Callable, Sequence

Paint = Callable[[str], str]


def aligned(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    paint: Callable[[int, int], Paint | None] = lambda _row, _column: None,
) -> list[str]:
    """Return a line for the headings and one for each row, columns two spaces apart.

    ``right`` names the columns that end together, as numbers do. ``paint`` may return what puts the
    colour on a cell; it is applied after padding, since the codes of a terminal have no width.
    """
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    written = []
    for number, line in enumerate(lines):
        cells = []
        for column, text in enumerate(line):
            last = column == len(line) - 1 and column not in right
            padded = text if last else _padded(text, widths[column], column in right)
            colour = paint(number - 1, column) if number else None
            cells.append(colour(padded) if colour else padded)
        written.append("  ".join(cells).rstrip())
    return written


def _padded(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
