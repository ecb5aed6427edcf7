"""The line under a state says the same in the first byte and after the first event."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from medimgr.settings import BASE_DIR
from monitoring import wording
from monitoring.attention import troubles
from monitoring.states import REASON_WORDS, State
from tests.browser import launch_options

NOW = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
STATIC = BASE_DIR / "medimgr/static/medimgr"
TODAY, TOMORROW, PAST = "2026-11-23T23:45:00Z", "2026-11-24T02:30:00Z", "2026-11-23T23:29:59Z"


def item(state: str, **fields: Any) -> dict[str, Any]:
    values = {
        "key": "x",
        "name": "X",
        "node": "alpha",
        "health": "unknown",
        "intent": "up",
        "reason": "",
        "detail": "",
        "needs": [],
        "needs_restart": False,
        "auto_recovery": True,
        "schedule": "",
        "next_run_at": None,
        "flapping": False,
        "restarts": 0,
    }
    return {**values, "state": state, **fields}


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            item("EXITED", reason="completed", schedule="* * * * *", next_run_at=TODAY),
            "next in 15 min, at 23:45",
        ),
        (
            item("EXITED", reason="schedule", schedule="30 2 * * *", next_run_at=TOMORROW),
            "next in 3 h, on 24 Nov at 02:30",
        ),
        (item("EXITED", reason="schedule", schedule="30 2 * * *", next_run_at=PAST), "is due now"),
        (item("EXITED", reason="schedule", schedule="30 2 * * *"), "runs by its schedule"),
        (
            item(
                "EXITED",
                reason="crash",
                detail="Exited with code 5.",
                schedule="0 * * * *",
                next_run_at=TODAY,
            ),
            "Exited with code 5.; next in 15 min, at 23:45",
        ),
        (
            item("STOPPED", intent="down", schedule="30 2 * * *"),
            "stopped: its schedule is off",
        ),
        (item("RUNNING", schedule="30 2 * * *", reason="schedule"), ""),
        (item("RUNNING", flapping=True, restarts=5), "keeps failing: 5 restarts"),
        (item("STARTING", flapping=True, restarts=1), "keeps failing: 1 restart"),
        (
            item("BACKOFF", flapping=True, restarts=5, reason="crash", detail="Exited with code 3."),
            "keeps failing: 5 restarts; Exited with code 3.",
        ),
        (item("FATAL", flapping=True, restarts=5, reason="fatal-exit"), REASON_WORDS["fatal-exit"]),  # type: ignore[index]
        (item("STOPPED", intent="down", flapping=True, restarts=5), ""),
    ],
)
def test_what_is_said(one: dict[str, Any], words: str, settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    assert wording.explanation(one, troubles([one]).get("x", ""), NOW) == words


def test_the_script_says_what_the_server_says(settings: Any) -> None:
    settings.TIME_ZONE = "UTC"
    combinations = [
        item(
            state.value,
            reason=reason,
            detail=detail,
            intent=intent,
            flapping=flapping,
            restarts=2,
            schedule="30 2 * * *" if moment else "",
            next_run_at=moment,
            auto_recovery=not flapping,
        )
        for state, reason, detail, intent, flapping, moment in product(
            State,
            ["", "crash", "completed"],
            ["", "Why."],
            ["up", "down"],
            [False, True],
            [None, TODAY, TOMORROW, PAST],
        )
    ]
    said = [
        [say(one, troubles([one]).get("x", ""), NOW) for say in (wording.explanation, wording.why)]
        for one in combinations
    ]
    page_data = {reason.value: words for reason, words in REASON_WORDS.items()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())
        page = browser.new_context(timezone_id="UTC", locale="en-GB").new_page()
        page.set_content('<script type="application/json" id="page-data"></script>')
        page.evaluate(
            """(words) => {
                document.getElementById("page-data").textContent = JSON.stringify({reason_words: words});
                window.medimgr = {};
            }""",
            page_data,
        )
        for name in ("attention.js", "words.js", "row.js"):
            page.add_script_tag(path=STATIC / name)
        answers = page.evaluate(
            """([items, now]) => {
                medimgr.words.now = () => Date.parse(now);
                const wrong = (item) => medimgr.attention.troubles([item]).get("x");
                const twins = [medimgr.explanation, medimgr.why];
                return items.map((item) => twins.map((say) => say(item, wrong(item))));
            }""",
            [combinations, NOW.isoformat()],
        )
        browser.close()
    assert answers == said
