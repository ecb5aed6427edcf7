"""What the dashboard, the alert rules and docs/metrics.md name, there is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.core import Metric
from pytest_django.fixtures import Settings

from monitoring.states import State
from operations.states import FINISHED
from tests.medimgr.metrics_rows import busy_installation, families, scrape
from workstations.states import EmulatorState, Reachability

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).resolve().parents[2] / "docs"
OF_PROMETHEUS = {"up": {"job", "instance"}}
WORDS = {
    ("medimgr_services", "state"): {state.value for state in State},
    ("medimgr_operations_ended_total", "status"): {status.value for status in FINISHED},
    ("medimgr_workstations", "status"): set(Reachability.values),
    ("medimgr_emulators", "state"): set(EmulatorState.values),
    ("medimgr_probes_total", "result"): {"ok", "failed"},
}
"""All values of labels that not every scrape has."""


@pytest.fixture
def known(settings: Settings) -> dict[str, dict[str, set[str]]]:
    """The names of all samples with the values of their labels."""
    busy_installation()
    found: dict[str, dict[str, set[str]]] = {name: {} for name in OF_PROMETHEUS}
    for family in families(scrape(settings)).values():
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
    return found


def asked_of_dashboard() -> Iterator[tuple[str, str]]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.fullmatch(r"label_values\((.+), \w+\)", variable["definition"])[1]  # type: ignore[index]


EXPRESSIONS = [
    *((f"alert {rule['alert']}", rule["expr"]) for rule in rules()),
    *((f"panel {title}: {expr[:40]}", expr) for title, expr in asked_of_dashboard()),
]


def selectors(node: Any) -> Iterator[Any]:
    """Every selector below an expression, as the parser of PromQL reads it."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for child in ("expr", "lhs", "rhs", "vector_selector", "param"):
        below = getattr(node, child, None)
        if below is not None:
            yield from selectors(below)
    for below in getattr(node, "args", None) or ():
        yield from selectors(below)


def parsed(expression: str) -> Any:
    # What Grafana puts in before it asks.
    return promql_parser.parse(expression.replace("$__rate_interval", "1m").replace("$node", ".*"))


def test_every_metric_and_label_that_is_asked_for_exists(known: dict[str, Any]) -> None:
    for name, expression in EXPRESSIONS:
        asked = list(selectors(parsed(expression)))
        assert {one.name for one in asked} == set(re.findall(r"\bmedimgr_\w+|\bup\b", expression)), name
        for one in asked:
            assert one.name in known, f"{name}: there is no {one.name}"
            for matcher in one.matchers.matchers:
                fault = fault_of(one.name, matcher.name, str(matcher.value), known[one.name])
                assert not fault, f"{name}: {fault}"


def fault_of(metric: str, label: str, told: str, labels: dict[str, set[str]]) -> str:
    """What is wrong with asking for samples whose label is ``told``; empty for nothing."""
    if label not in set(labels) | OF_PROMETHEUS.get(metric, set()):
        return f"{metric} has no label {label}"
    if metric in OF_PROMETHEUS or not re.fullmatch(r"[\w|-]+", told):
        return ""
    unknown = set(told.split("|")) - WORDS.get((metric, label), labels[label])
    return f"{metric} never has {label}={unknown}" if unknown else ""


def test_what_is_summed_by_are_labels_of_what_is_summed(known: dict[str, Any]) -> None:
    for name, expression in EXPRESSIONS:
        labels = set().union(*(known[one.name] for one in selectors(parsed(expression))))
        for by in re.findall(r"by \(([\w, ]+)\)", expression):
            assert set(by.replace(" ", "").split(",")) <= labels, name


def test_no_counter_is_read_as_if_it_were_a_gauge() -> None:
    for name, expression in EXPRESSIONS:
        for counter in re.findall(r"medimgr_\w+_total", expression):
            assert re.search(rf"(rate|increase)\({counter}[^)]*\[", expression), name


def test_every_alert_says_what_it_is_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) >= 20
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert len(rule["annotations"]["runbook"]) > 40, rule["alert"]


def test_what_an_alert_names_in_its_words_is_left_by_its_expression(known: dict[str, Any]) -> None:
    for rule in rules():
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        summed = re.search(r"^\s*(?:sum|max|quantile)\b(?: by \(([\w, ]+)\))?", rule["expr"])
        if summed:
            left = set((summed[1] or "").replace(" ", "").split(","))
        else:
            left = {
                label for one in selectors(parsed(rule["expr"])) for label in known[one.name]
            } | OF_PROMETHEUS["up"]
        assert named <= left, rule["alert"]


def test_the_dashboard_can_be_imported_anywhere() -> None:
    board = dashboard()
    assert board["uid"] == "medimgr"
    assert "id" not in board
    identities = [panel["id"] for panel in board["panels"]]
    assert len(identities) == len(set(identities))
    for panel in board["panels"]:
        if panel["type"] != "row":
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in sources} == {"${datasource}"}
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "node", "service"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(places) == len(set(places))
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


def test_the_page_about_metrics_names_all_of_them_and_no_others(settings: Settings) -> None:
    busy_installation()
    found: dict[str, Metric] = families(scrape(settings))
    there = {f"{name}_total" if family.type == "counter" else name for name, family in found.items()}
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`(medimgr_\w+)`", table))
    assert named == there
