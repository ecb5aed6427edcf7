"""The progress of a batch is said the same by the server and by the script, for any counts."""

from itertools import product
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from medimgr.settings import BASE_DIR
from operations.batch_cards import level
from operations.batches import progress
from tests.browser import launch_options

STATIC = BASE_DIR / "medimgr/static/medimgr"


def batch(
    total: int,
    succeeded: int = 0,
    failed: int = 0,
    cancelled: int = 0,
    refused: int = 0,
    *,
    ended: bool = False,
) -> dict[str, Any]:
    return {
        "total": total,
        "done": succeeded + failed + cancelled + refused,
        "succeeded": succeeded,
        "failed": failed,
        "cancelled": cancelled,
        "refused": [
            {"target": f"service:s{n}", "code": "target-busy", "detail": "Busy."} for n in range(refused)
        ],
        "finished_at": "2026-11-23T12:00:00Z" if ended else None,
    }


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (batch(0, ended=True), "nothing to do"),
        (batch(1), "0/1"),
        (batch(14, 12, 1), "13/14, 1 failed"),
        (batch(14, 14, ended=True), "14/14"),
        (batch(14, 0, 0, 13, 1, ended=True), "14/14, 13 cancelled, 1 refused"),
        (batch(1000, 400, 3, 2, 5), "410/1000, 3 failed, 2 cancelled, 5 refused"),
    ],
)
def test_what_is_said(shape: dict[str, Any], words: str) -> None:
    assert progress(shape) == words


def test_the_script_says_what_the_server_says() -> None:
    shapes = [
        batch(total, *counts, ended=ended)
        for total in (0, 1, 14)
        for counts in product((0, 1, 3), repeat=4)
        for ended in (True, False)
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        page.evaluate("window.medimgr = {page: {}}")
        page.add_script_tag(path=STATIC / "batches.js")
        # As the stream tells them: without the list of what was refused.
        told = [{name: value for name, value in shape.items() if name != "refused"} for shape in shapes]
        said = page.evaluate(
            "(all) => all.map((one) => [medimgr.batchWords(one), medimgr.batchLevel(one)])", told
        )
        browser.close()
    assert said == [[progress(shape), level(shape)] for shape in shapes]
