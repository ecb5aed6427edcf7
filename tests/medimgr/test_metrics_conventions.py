"""What https://prometheus.io/docs/practices/naming/ asks for, of every metric that there is.

``promtool check metrics`` says the same; it has no package that a test could install.
"""

import re

import pytest
from prometheus_client.core import Metric
from pytest_django.fixtures import Settings

from monitoring import metrics as service_metrics
from tests.factories import make_service
from tests.medimgr.metrics_rows import busy_installation, families, scrape
from workstations import metrics as workstation_metrics
from workstations.models import Workstation

pytestmark = pytest.mark.django_db

_NAME = re.compile(r"medimgr(_[a-z0-9]+)+")
_OTHER_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|mib|percent)(_|$)")
MOST_SAMPLES_OF_NOTHING = 700
"""What an installation without a service tells."""


@pytest.fixture
def found(settings: Settings) -> dict[str, Metric]:
    busy_installation()
    return families(scrape(settings))


def test_each_has_a_name_of_ours_in_base_units(found: dict[str, Metric]) -> None:
    assert [name for name in found if not _NAME.fullmatch(name) or _OTHER_UNITS.search(name)] == []


def test_counters_end_in_total_and_nothing_else_does(found: dict[str, Metric]) -> None:
    for family in found.values():
        names = {sample.name for sample in family.samples}
        assert family.type in {"counter", "gauge", "histogram"}
        assert all(name.endswith("_total") for name in names) == (family.type == "counter"), family.name
        if family.type != "histogram":
            assert not re.search(r"_(sum|count|bucket|info_total)$", family.name), family.name


def test_histograms_are_of_seconds_and_whole(found: dict[str, Metric]) -> None:
    histograms = [family for family in found.values() if family.type == "histogram"]
    assert len(histograms) >= 6
    for family in histograms:
        assert family.name.endswith("_seconds")
        by_labels: dict[frozenset[tuple[str, str]], list[float]] = {}
        counts = {}
        for sample in family.samples:
            own = frozenset((k, v) for k, v in sample.labels.items() if k != "le")
            if sample.name.endswith("_bucket"):
                by_labels.setdefault(own, []).append(sample.value)
            elif sample.name.endswith("_count"):
                counts[own] = sample.value
        for own, buckets in by_labels.items():
            assert buckets == sorted(buckets)
            assert buckets[-1] == counts[own]


def test_each_says_in_a_sentence_what_it_is(found: dict[str, Metric]) -> None:
    assert [
        name for name, family in found.items() if not re.fullmatch(r"[A-Z1].*\.", family.documentation)
    ] == []


def test_labels_are_words_and_the_same_on_every_line(found: dict[str, Metric]) -> None:
    for family in found.values():
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert len(labels) <= 1, family.name
        for label in labels.pop() if labels else ():
            assert re.fullmatch(r"[a-z]+", label)


def test_no_line_comes_twice(settings: Settings) -> None:
    busy_installation()
    lines = [line.rpartition(" ")[0] for line in scrape(settings).splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    assert all(line.startswith("medimgr_") for line in lines)


def test_names_that_people_choose_break_no_line(settings: Settings) -> None:
    name = 'a "quoted" \\ name\nmedimgr_node_up{node="forged"} 7'
    Workstation.objects.create(name=name[:60], host="h")
    found = families(scrape(settings))
    assert [sample.labels for sample in found["medimgr_workstation_up"].samples] == [
        {"workstation": name[:60]}
    ]
    assert not any(s.labels.get("node") == "forged" for family in found.values() for s in family.samples)


def test_an_installation_without_anything_tells_little(settings: Settings) -> None:
    lines = [line for line in scrape(settings).splitlines() if not line.startswith("#")]
    assert len(lines) < MOST_SAMPLES_OF_NOTHING


def test_however_many_services_and_workstations_there_are_so_many_have_their_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_metrics, "MOST_SERVICES", 3)
    monkeypatch.setattr(workstation_metrics, "MOST_WORKSTATIONS", 3)
    busy_installation()
    for number in range(5):
        make_service(f"s{number}")
        Workstation.objects.create(name=f"w{number}", host=f"h{number}")
    found = families(scrape(settings))
    assert len(found["medimgr_service_up"].samples) == 3
    assert len(found["medimgr_workstation_up"].samples) == 3
    # The sums are of all.
    assert sum(sample.value for sample in found["medimgr_services"].samples) == 6
    assert sum(sample.value for sample in found["medimgr_workstations"].samples) == 6
