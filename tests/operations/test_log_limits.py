"""A log is bounded in every direction, and its text can harm nobody."""

import pytest

from operations.job import Job
from operations.log_lines import CUT_MARK, LONGEST_LINE, MOST_BYTES, MOST_LINES, NOT_KEPT
from operations.log_storing import PART_BYTES, PART_LINES
from operations.models import LogPart
from tests.operations.saying import carried_out, texts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def test_a_log_ends_after_its_lines_and_says_so() -> None:
    def handler(job: Job) -> None:
        for number in range(MOST_LINES + 500):
            job.log(f"line {number}")

    done = carried_out(handler)
    kept = texts(done)
    assert kept[:-1] == [f"line {number}" for number in range(MOST_LINES)]
    assert kept[-1] == NOT_KEPT
    assert done.log_lines == MOST_LINES + 1


def test_a_log_ends_after_its_bytes_and_says_so() -> None:
    line = "€" * 1000

    def handler(job: Job) -> None:
        for _ in range(2 * MOST_BYTES // 3000):
            job.log(line)

    kept = texts(carried_out(handler))
    assert kept[-1] == NOT_KEPT
    assert set(kept[:-1]) == {line}
    assert MOST_BYTES - 3000 < sum(len(one.encode()) for one in kept[:-1]) <= MOST_BYTES


def test_a_long_line_is_cut_where_a_character_ends() -> None:
    def handler(job: Job) -> None:
        job.log("€" * LONGEST_LINE)
        job.log("x" * LONGEST_LINE)
        job.log("y" * 10_000_000)

    cut, whole, monstrous = texts(carried_out(handler))
    assert cut.removesuffix(CUT_MARK) == "€" * len(cut.removesuffix(CUT_MARK))
    assert LONGEST_LINE - 3 <= len(cut.encode()) <= LONGEST_LINE
    assert whole == "x" * LONGEST_LINE
    assert monstrous.endswith(CUT_MARK)
    assert len(monstrous) <= LONGEST_LINE


def test_a_part_is_never_larger_than_a_reader_expects() -> None:
    def handler(job: Job) -> None:
        job.log("\n".join("x" * 500 for _ in range(300)))
        job.log("\n".join("-" for _ in range(1000)))

    done = carried_out(handler)
    parts = list(LogPart.objects.filter(operation=done))
    assert max(len(part.lines) for part in parts) <= PART_LINES
    assert max(sum(len(text) for _, _, text in part.lines) for part in parts) <= PART_BYTES
    assert len(texts(done)) == 1300


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b", "ab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("50 %\r100 %", "50 %\n100 %"),
        ("half \ud800 of a pair", "half ? of a pair"),
        ("abc\u202ecba", "abc\N{REPLACEMENT CHARACTER}cba"),
        ("\x07\x08\x9b\x7f", ""),
        ("tab\tstays", "tab\tstays"),
        ("two\u2028lines", "two\nlines"),
        ("", ""),
    ],
)
def test_control_characters_are_made_harmless(said: str, kept: str) -> None:
    done = carried_out(lambda job: job.log(said))
    assert texts(done) == kept.split("\n")
