"""The log on a service's page: followed across rotations, searched in its archives, downloaded in ranges."""

import re
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from monitoring.supervisor.log_archives import archive_files
from tests.e2e.conftest import RunningMedimgr
from tests.e2e.watching import assert_not_reloaded, declared, expect_connections, mark, open_service

LINES = 40_000
TALKER = f"""
import itertools, sys, time
for number in range({LINES}):
    print(f"INFO request {{number}} served in {{number % 50}} ms, {{'x' * 60}}")
sys.stdout.flush()
print("first words of stderr", file=sys.stderr, flush=True)
for number in itertools.count({LINES}):
    print(f"INFO request {{number}} served slowly", flush=True)
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def talker(running: RunningMedimgr) -> Iterator[str]:
    """The key of a service whose log was rotated, with some of it in compressed archives."""
    command = [sys.executable, "-c", TALKER]
    with declared(running, "talker", command=command, log_max_mb=1, log_keep=20, log_stderr_apart=True):
        log = running.instance.data_dir / "logs" / "talker.log"
        running.instance.wait_for(
            lambda: any(file.path.suffix == ".gz" for file in archive_files(log)), 30, "its log was rotated"
        )
        yield "talker"


@pytest.fixture
def lines(page: Page, talker: str) -> Locator:
    open_service(page, talker)
    mark(page)
    lines = page.locator("#log-lines > div")
    expect(lines.first).to_be_visible()
    return lines


def number_in(line: Locator) -> int:
    found = re.search(r"request (\d+) served", line.inner_text())
    assert found
    return int(found.group(1))


def test_a_search_finds_what_is_in_the_archives_and_steps_from_match_to_match(
    page: Page, lines: Locator, running: RunningMedimgr
) -> None:
    count = page.locator("#log-count")
    page.keyboard.press("/")
    expect(page.locator("#log-text")).to_be_focused()
    page.keyboard.type("REQUEST 77")
    page.keyboard.press("Enter")
    expect(count).to_have_text("Match 111 of 111")
    found = page.locator("#log-lines > .found")
    expect(found).to_have_text(re.compile("^INFO request 7799 served"))
    expect(found).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(found).to_have_text(re.compile("^INFO request 7798 served"))
    page.get_by_role("button", name="Previous match (older)").click()
    expect(count).to_have_text("Match 109 of 111")
    page.get_by_role("button", name="Next match (newer)").click()
    page.get_by_role("button", name="Next match (newer)").click()
    page.get_by_role("button", name="Next match (newer)").click()  # there is none
    expect(count).to_have_text("Match 111 of 111")
    expect(page.locator("#log-follow")).to_have_text("Follow")
    shown = [int(n) for n in re.findall(r"request (\d+) ", page.locator("#log-lines").inner_text())]
    assert shown == list(range(shown[0], shown[-1] + 1))  # what stands around it
    expect_connections(running, ["/monitoring/services/talker/"])
    assert_not_reloaded(page)


def test_following_again_shows_the_end_with_all_that_has_come_meanwhile(page: Page, lines: Locator) -> None:
    before = number_in(lines.last)
    page.locator("#log-text").fill("request 7 ")
    page.keyboard.press("Enter")
    expect(page.locator("#log-lines > .found")).to_have_text(re.compile("^INFO request 7 served"))
    page.wait_for_timeout(500)  # what is looked at stays, while lines come
    expect(page.locator("#log-lines > .found")).to_be_in_viewport()
    page.locator("#log-follow").click()
    expect(page.locator("#log-follow")).to_have_text("Following")
    expect(lines.filter(has_text=f"request {before + 15} ")).to_have_count(1)
    numbers = [int(n) for n in re.findall(r"request (\d+) ", page.locator("#log-lines").inner_text())]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))  # none missing, none twice
    assert before in numbers


def test_what_is_not_there_is_said_and_escape_leads_back(page: Page, lines: Locator) -> None:
    page.locator("#log-text").fill("no such line")
    page.keyboard.press("Enter")
    expect(page.locator("#log-count")).to_have_text("Not found")
    page.locator("#log-text").fill("request 11 ")
    page.keyboard.press("Enter")
    expect(page.locator("#log-lines > .found")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#log-text")).to_have_value("")
    expect(page.locator("#log-lines > .found")).to_have_count(0)
    expect(page.locator("#log-follow")).to_have_text("Following")


def test_the_text_is_marked_in_the_lines_that_are_shown(page: Page, lines: Locator) -> None:
    page.locator("#log-text").fill("SERVED")
    page.wait_for_function("() => CSS.highlights.get('log-text').size > 10")
    assert page.evaluate("() => [...CSS.highlights.get('log-text')][0].toString()") == "served"


def test_what_a_poll_has_brought_already_is_not_shown_again(page: Page, lines: Locator) -> None:
    """A stream that is opened while the page still polls begins where the page was when it asked."""
    pieces = [
        {"start": 10**9, "offset": 10**9 + 5, "lines": ["a", "ü"], "reset": True},
        {"start": 10**9 + 2, "offset": 10**9 + 7, "lines": ["ü", "b"]},  # the half of it is new
        {"start": 10**9, "offset": 10**9 + 2, "lines": ["a"]},
        {"start": 10**9 + 7, "offset": 10**9 + 9, "lines": ["c"]},
    ]
    expect(lines.first).to_be_visible()
    texts = page.evaluate(
        """(pieces) => {
          const tail = medimgr.logPoll.tail;
          tail.clear();
          for (const piece of pieces) tail.take({ inode: 1, skipped: 0, reset: false, ...piece });
          return tail.waiting.filter(([style]) => style !== "marker").map(([, text]) => text);
        }""",
        pieces,
    )
    assert texts == ["a", "ü", "b", "c"]


def test_stderr_has_a_log_of_its_own_over_the_same_connection(
    page: Page, lines: Locator, running: RunningMedimgr
) -> None:
    page.get_by_label("Which output").select_option("stderr")
    expect(lines).to_have_text(["first words of stderr"])
    page.locator("#log-text").fill("request 1")
    page.keyboard.press("Enter")
    expect(page.locator("#log-count")).to_have_text("Not found")
    page.get_by_label("Which output").select_option("stdout")
    expect(lines.filter(has_text="served slowly").first).to_be_attached()
    expect(page.locator("#log-text")).to_have_value("request 1")
    expect_connections(running, ["/monitoring/services/talker/"])
    assert_not_reloaded(page)


def test_ranges_and_archives_are_downloaded_with_the_keyboard(page: Page, lines: Locator) -> None:
    menu = page.locator("#log-download summary")
    menu.focus()
    page.keyboard.press("Enter")
    archive = page.get_by_role("link", name=re.compile(r"^Archive 1 "))
    expect(archive).to_be_visible()
    expect(page.locator("#log-kept")).to_have_text(re.compile(r"^\(\d.* MB\)$"))
    page.keyboard.press("Escape")
    expect(archive).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    last = waiting.value.path().read_text(encoding="utf-8")
    assert 900_000 < len(last) <= 1_000_000
    assert last.startswith("INFO request ")
    page.keyboard.press("Enter")
    with page.expect_download() as waiting:
        archive.click()
    assert waiting.value.suggested_filename == "talker.1.log"
    assert "INFO request " in waiting.value.path().read_text(encoding="utf-8")
    page.keyboard.press("Enter")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="All that is kept").click()
    text = waiting.value.path().read_text(encoding="utf-8")
    numbers = [int(n) for n in re.findall(r"request (\d+) served", text)]
    assert numbers == list(range(numbers[-1] + 1))
