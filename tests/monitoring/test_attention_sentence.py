"""The sentence on top of the services page says whether anything needs an operator."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from monitoring.attention import bucket, sentence, troubles
from monitoring.states import Health, Intent, Reason, State
from tests.browser import launch_options
from tests.monitoring.attention_cases import CASES, item

TWIN = Path(__file__).parents[2] / "medimgr" / "static" / "medimgr" / "attention.js"


def clock(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%H:%M")


@pytest.mark.parametrize("name", CASES)
def test_the_sentence_says_what_is_the_matter(name: str) -> None:
    items, nodes, level, text = CASES[name]
    said = sentence(items, nodes, clock)
    assert (said.level, said.text) == (level, text)


def test_the_number_in_the_sentence_is_the_number_of_the_filter() -> None:
    """Badge and list come from one source, or people see "4 need attention" over an empty list."""
    for items, _nodes, level, text in CASES.values():
        wrong = troubles(items)
        shown = [one for one in items if "attention" in bucket(one, wrong)]
        assert len(shown) == len(wrong)
        if level == "attention" and wrong:
            assert text.startswith(f"{len(wrong)} of {len(items)} ")


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_filter_or_needs_attention(state: State) -> None:
    one = item("x", state.value)
    assert bucket(one, troubles([one])) or state is State.UNKNOWN


MORE: list[dict[str, Any]] = [
    {"intent": intent, "flapping": flapping, "schedule": schedule, "restarts": 1}
    for intent in ("up", "down")
    for flapping in (False, True)
    for schedule in ("", "30 2 * * *")
]


def test_every_combination_of_words_makes_a_sentence() -> None:
    for state in State:
        for reason in Reason:
            for health in Health:
                for intent in Intent:
                    one = item(
                        "x", state.value, reason=reason.value, health=health.value, intent=intent.value
                    )
                    said = sentence([one], [], clock)
                    assert said.text.endswith(".")
                    assert (said.level == "attention") is bool(troubles([one]))


def test_the_script_says_what_the_server_says() -> None:
    """The twin in the browser must not change the sentence's mind after the first event."""
    combinations: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
        ([item("x", state.value, reason=reason.value, health=health.value, **more)], [])
        for state in State
        for reason in Reason
        for health in Health
        for more in MORE
    ]
    cases = [(items, nodes) for items, nodes, _level, _text in CASES.values()] + combinations
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_page()
        page.add_script_tag(path=TWIN)
        answers = page.evaluate(
            """(cases) => cases.map(([items, nodes]) => {
                const wrong = medimgr.attention.troubles(items);
                const said = medimgr.attention.sentence(items, nodes, (iso) => iso.slice(11, 16));
                const buckets = items.map((item) => [...medimgr.attention.buckets(item, wrong)].sort());
                return [said.level, said.text, Object.fromEntries(wrong), buckets];
            })""",
            cases,
        )
        browser.close()
    for (items, nodes), answer in zip(cases, answers, strict=True):
        said, wrong = sentence(items, nodes, clock), troubles(items)
        assert answer == [said.level, said.text, wrong, [sorted(bucket(one, wrong)) for one in items]]
