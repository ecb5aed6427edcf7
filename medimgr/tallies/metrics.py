"""What is counted for good, and what processes say of themselves, in the terms of Prometheus."""

from collections.abc import Collection, Iterator

from django.db.models.functions import Now
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from medimgr.tallies.counting import Count, Durations, Kept
from medimgr.tallies.models import ProcessReport
from medimgr.tallies.process_report import KINDS, SILENT_AFTER

Labels = tuple[str, ...]
_OF_PROCESSES = (
    ("resident_memory_bytes", "rss_bytes", "Memory that the process holds."),
    ("open_fds", "open_fds", "Descriptors that the process has open."),
    ("max_fds", "max_fds", "Descriptors that it may have open."),
    ("threads", "threads", "Threads of the process."),
)


def counted(count: Count, kept: Kept, known: Collection[Labels] = ()) -> Metric:
    """Return a counter. ``known`` values of its labels are there from the start, so that a rate is known."""
    family = CounterMetricFamily(count.name, count.words, labels=count.labels)
    found = kept.get(count.name, {})
    fitting = {values for values in found if len(values) == len(count.labels)}
    for values in sorted({*known, *fitting}):
        family.add_metric(values, found.get(values, 0.0))
    return family


def timed(durations: Durations, kept: Kept, known: Collection[Labels] = ()) -> Metric:
    """Return a histogram. ``known`` as for :func:`counted`."""
    family = HistogramMetricFamily(durations.name, durations.words, labels=durations.labels)
    found = {values for values in kept.get(durations.sums, {}) if len(values) == len(durations.labels)}
    for values in sorted({*known, *found}):
        buckets, seconds = durations.cumulated(kept, values)
        family.add_metric(values, buckets, seconds)
    return family


def of_processes() -> Iterator[Metric]:
    """Yield what medimgr's processes use, of those that have reported within the last minute. One query."""
    rows = list(
        ProcessReport.objects.filter(seen_at__gt=Now() - SILENT_AFTER).order_by("node", "kind", "pid")
    )
    labels = ["node", "process", "pid"]
    number = GaugeMetricFamily("medimgr_processes", "Processes of medimgr that report.", labels=["process"])
    for kind in KINDS:
        number.add_metric([kind], sum(row.kind == kind for row in rows))
    yield number
    own = [[row.node, row.kind, str(row.pid)] for row in rows]
    cpu = CounterMetricFamily("medimgr_process_cpu_seconds", "CPU time that it has used.", labels=labels)
    began = GaugeMetricFamily(
        "medimgr_process_start_time_seconds", "When it began, in seconds since 1970.", labels=labels
    )
    for whose, row in zip(own, rows, strict=True):
        cpu.add_metric(whose, row.figures.get("cpu_seconds", 0.0))
        began.add_metric(whose, row.started_at.timestamp())
    yield cpu
    yield began
    for name, key, words in _OF_PROCESSES:
        family = GaugeMetricFamily(f"medimgr_process_{name}", words, labels=labels)
        for whose, row in zip(own, rows, strict=True):
            family.add_metric(whose, row.figures.get(key, 0))
        yield family
    for name, key, words in (
        ("collections", "gc_collections", "Runs of Python's garbage collector."),
        ("objects_collected", "gc_collected", "Objects that it has collected."),
    ):
        passes = CounterMetricFamily(f"medimgr_process_gc_{name}", words, labels=[*labels, "generation"])
        for whose, row in zip(own, rows, strict=True):
            for generation, count in enumerate(row.figures.get(key, ())):
                passes.add_metric([*whose, str(generation)], count)
        yield passes
