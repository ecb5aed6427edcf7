"""The sentence on top of the workstations' page, in the first byte and after the first event."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import launch_options
from workstations.attention import buckets, rollup, sentence, troubles
from workstations.rows import address, no_emulators, status_word, why
from workstations.states import EmulatorState, Reachability

TWIN = Path(__file__).parents[2] / "medimgr" / "static" / "medimgr" / "workstationattention.js"
CODES = ("", "workstation-authentication", "workstation-tls", "remote-failure")


def item(pk: int = 1, status: str = "online", code: str = "", **states: int) -> dict[str, Any]:
    return {
        "id": pk,
        "name": f"pc-{pk}",
        "host": "fe80::1" if pk == 2 else f"pc-{pk}.lan",
        "port": 5985,
        "status": status,
        "error_code": code,
        "last_error": "It did not answer." if status != "online" else "",
        "read_at": "2026-11-23T12:00:00Z" if pk != 3 else None,
        "states": states,
    }


CASES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "nothing": ([], "empty", "No workstations declared yet: add one, or import a fleet."),
    "one": ([item(stopped=2)], "good", "The one workstation is online; 0 of 2 emulators run."),
    "all is well": (
        [item(1, running=2), item(2, running=1)],
        "good",
        "All 2 workstations are online; all 3 emulators run.",
    ),
    "no emulators": ([item(1), item(2)], "good", "All 2 workstations are online."),
    "starting": (
        [item(running=1, starting=1)],
        "changing",
        "The one workstation is online; 1 of 2 emulators runs.",
    ),
    "not looked at": (
        [item(1), item(2, "unknown")],
        "changing",
        "1 of 2 workstations is online, 1 has not been looked at yet.",
    ),
    "offline": (
        [item(1, running=3), item(2, "offline", unknown=2)],
        "attention",
        "1 of 2 workstations needs attention: pc-2 is offline. 3 of 5 emulators run.",
    ),
    "many": (
        [item(n, "offline") for n in range(1, 6)] + [item(7, zombie=2)],
        "attention",
        "6 of 6 workstations need attention: pc-1 is offline, pc-2 is offline, pc-3 is offline, and 3 more. "
        "0 of 2 emulators run.",
    ),
    "zombie": (
        [item(1, zombie=1, running=1)],
        "attention",
        "1 of 1 workstation needs attention: pc-1 has a zombie emulator. 1 of 2 emulators runs.",
    ),
    "password": (
        [item(1, "error", "workstation-authentication")],
        "attention",
        "1 of 1 workstation needs attention: pc-1 does not accept the log-in.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sentence_says_what_is_the_matter(name: str) -> None:
    items, level, text = CASES[name]
    said = sentence(items)
    assert (said.level, said.text) == (level, text)


def test_the_number_in_the_sentence_is_the_number_of_the_filter() -> None:
    for items, level, text in CASES.values():
        wrong = troubles(items)
        shown = [one for one in items if "attention" in buckets(one, wrong)]
        assert len(shown) == len(wrong)
        assert (level == "attention") is bool(wrong)
        if wrong:
            assert text.startswith(f"{len(wrong)} of {len(items)} ")


def test_the_script_says_what_the_server_says() -> None:
    every = [item(1, status.value, code) for status in Reachability for code in CODES]
    every += [
        item(pk)
        | {"states": {state.value: count for state, count in zip(EmulatorState, counts, strict=True)}}
        for pk in (2, 3)
        for counts in product((0, 1, 2), repeat=len(EmulatorState))
    ]
    lists = [items for items, _, _ in CASES.values()] + [[one] for one in every]
    said = [
        [
            (s := sentence(items)).level,
            s.text,
            sorted(troubles(items).items()),
            [sorted(buckets(one, troubles(items))) for one in items],
            [
                [rollup(one["states"]), status_word(one["status"]), address(one), why(one), no_emulators(one)]
                for one in items
            ],
        ]
        for items in lists
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        page.evaluate("window.medimgr = {}")
        page.add_script_tag(path=TWIN)
        answers = page.evaluate(
            """(lists) => lists.map((items) => {
                const fleet = medimgr.fleet;
                const wrong = fleet.troubles(items);
                const { level, text } = fleet.sentence(items);
                return [level, text, [...wrong].sort((a, b) => a[0] - b[0]),
                    items.map((one) => [...fleet.buckets(one, wrong)].sort()),
                    items.map((one) => [fleet.rollup(one.states), fleet.statusWord(one.status),
                        fleet.address(one), fleet.why(one), fleet.noEmulators(one)])];
            })""",
            lists,
        )
        browser.close()
    for items, mine, theirs in zip(lists, said, answers, strict=True):
        assert [list(pair) for pair in mine[2]] == theirs[2], items
        assert [*mine[:2], *mine[3:]] == [*theirs[:2], *theirs[3:]], items
