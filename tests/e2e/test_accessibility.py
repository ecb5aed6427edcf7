"""For people who see little or hear the page: names, headings, and colours that can be read."""

from typing import Any

import pytest
from playwright.sync_api import Page

from monitoring.states import Health, State
from operations.states import Status
from tests.e2e.watching import expect_link, open_service, open_services

PAGES = [
    "/monitoring/",
    "/monitoring/services/backend/",
    "/monitoring/connections/",
    "/workstations/",
    "/operations/",
    "/operations/chores/",
]
READABLE = 4.5
"""WCAG 2.2, level AA, for text of normal size."""

# Every text that is shown, with its contrast against what is painted behind it.
_CONTRAST = """(roots) => {
  const channels = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const background = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.push(channels(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => {
      const part = c / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const node of document.querySelectorAll(roots)) {
    if (!node.checkVisibility() || !node.textContent.trim()) continue;
    if (node.closest("[aria-disabled=true], :disabled, .visually-hidden, .skip-link")) continue;
    const below = background(node);
    const [r, g, b, alpha] = channels(getComputedStyle(node).color);
    let opacity = alpha;
    for (let at = node; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const text = over([r, g, b, opacity], below);
    const [light, dark] = [luminance(text), luminance(below)].sort((a, b) => b - a);
    found.push({ text: node.textContent.trim().slice(0, 40), ratio: (light + 0.05) / (dark + 0.05) });
  }
  return found;
}"""
_TEXTS = "h1, h2, p, a, button, td, th, dt, dd, time, label, .sub, .soft, .state, .health, .link-state, kbd"
_NAMELESS = """() => {
  const controls = "a, button, input, select, textarea, [role=button], [role=switch], dialog";
  const name = (node) => {
    const by = document.getElementById(node.getAttribute("aria-labelledby"));
    if (by) return by.id; // its text comes with what it names
    const label = node.labels && node.labels[0] ? node.labels[0].textContent : "";
    return node.getAttribute("aria-label") || label || node.textContent;
  };
  return [...document.querySelectorAll(controls)]
    .filter((node) => node.type !== "hidden" && !node.hidden && node.id !== "confirm-yes")
    .filter((node) => !name(node).trim())
    .map((node) => node.outerHTML.slice(0, 120));
}"""


def unreadable(page: Page, texts: str) -> list[Any]:
    """Return the texts whose contrast is too small. Fails where there is no text at all."""
    found = page.evaluate(_CONTRAST, texts)
    assert found
    return [(one["text"], round(one["ratio"], 2)) for one in found if one["ratio"] < READABLE]


def test_the_measure_of_contrast_is_the_standard_s(page: Page) -> None:
    page.set_content(
        "<body style='background: #fff'><p style='color: #767676'>just so</p><p style='color: #777'>not</p>"
        "<p style='color: #000; opacity: .4'>faded</p>"
        "<div style='color: #fff; background: #000'><p>good</p></div>"
    )
    assert unreadable(page, "p") == [("not", 4.48), ("faded", 2.85)]


def unreadable_in_light_and_dark(page: Page, texts: str) -> list[Any]:
    """Return the texts whose contrast is too small in either colour scheme."""
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [(scheme, *one) for one in unreadable(page, texts)]
    return found


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_heard_and_read(page: Page, path: str) -> None:
    page.goto(path)
    expect_link(page, "live")
    assert page.evaluate(_NAMELESS) == []
    assert page.locator("thead th:not([scope=col])").count() == 0
    assert page.locator("tbody th:not([scope^=row])").count() == 0
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("main").count() == 1
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))
    assert unreadable_in_light_and_dark(page, _TEXTS) == []


def test_every_state_can_be_read(page: Page) -> None:
    open_services(page)
    row = page.locator("tr[data-service=backend]")
    for state in State:
        row.evaluate("(row, state) => { row.dataset.state = state; }", state.value)
        assert unreadable_in_light_and_dark(page, "tr[data-service=backend] .state") == [], state
        for health in Health:
            row.evaluate("(row, health) => { row.dataset.health = health; }", health.value)
            assert unreadable_in_light_and_dark(page, "tr[data-service=backend] .health") == [], health
    for level in ("busy", "done", "failed"):
        row.evaluate(
            """(row, level) => {
                const line = row.querySelector(".progress");
                line.textContent = "under way";
                line.dataset.level = level;
            }""",
            level,
        )
        assert unreadable_in_light_and_dark(page, "tr[data-service=backend] .progress") == [], level


def test_every_state_of_the_link_can_be_read(page: Page) -> None:
    open_services(page)
    for link in ("live", "connecting", "reconnecting", "stale", "refused", "ended"):
        page.locator("#link-state").evaluate("(node, link) => { node.dataset.state = link; }", link)
        assert unreadable_in_light_and_dark(page, "#link-state") == [], link
    page.locator("#stale-banner").evaluate(
        "node => { node.hidden = false; node.firstElementChild.textContent = 'old'; }"
    )
    assert unreadable_in_light_and_dark(page, "#stale-banner span") == []


def test_every_status_of_an_operation_can_be_read(page: Page) -> None:
    page.goto("/operations/")
    expect_link(page, "live")
    page.evaluate(
        """() => {
            const row = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
            document.getElementById("operation-rows").prepend(row);
            row.id = "sample";
            row.querySelector('[data-field="status"]').textContent = "status";
        }"""
    )
    for status in Status:
        page.locator("#sample").evaluate("(row, status) => { row.dataset.status = status; }", status.value)
        assert unreadable_in_light_and_dark(page, "#sample .status") == [], status


def test_every_kind_of_line_in_the_log_can_be_read(page: Page) -> None:
    open_service(page, "backend")
    for kind in ("", "warning", "error", "marker"):
        page.locator("#log-lines").evaluate(
            """(box, kind) => {
                const line = document.createElement("div");
                line.className = kind;
                line.textContent = "a line";
                box.append(line);
            }""",
            kind,
        )
    assert unreadable_in_light_and_dark(page, "#log-lines > div") == []


def test_what_changes_is_spoken_and_what_ticks_is_not(page: Page) -> None:
    open_services(page)
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"
    assert page.locator("#stale-banner").get_attribute("role") == "status"
    live = (
        "() => document.querySelectorAll('table [aria-live], table [role=status], table [role=alert]').length"
    )
    assert page.evaluate(live) == 0
