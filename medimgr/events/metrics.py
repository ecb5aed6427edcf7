"""The streams in the terms of Prometheus."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from medimgr.events.exceptions import StreamRefused
from medimgr.events.figures import KINDS
from medimgr.events.histogram import added_up
from medimgr.events.log import last_event_id
from medimgr.events.subscription import End
from medimgr.events.survey import Survey

_SUMS = (
    ("opened", "opened", "Streams that were opened."),
    ("bytes_sent", "bytes_wire", "Bytes handed to streams, as they went out."),
    ("replays", "replays", "Streams that began with the events that their page had missed."),
    ("replayed_events", "replayed_events", "Events that were sent again to pages that had missed them."),
    ("resets", "resets", "Streams whose page was told to fetch everything anew."),
)
_DURATIONS = (
    ("send_latency", "latency", "From an event's publication to its hand-over to a worker's last stream."),
    ("fan_out", "fan_out", "What it took to hand what was read at once to all streams of a worker."),
)
_LAGS = (
    ("reader_lag_events", "lag_events", "Events in the log that the worker has not handed to its streams."),
    ("reader_lag_seconds", "lag_seconds", "Age of the oldest of those events."),
    ("reader_silent_seconds", "silent_seconds", "Since the worker's reader last looked into the log."),
)


def families() -> Iterator[Metric]:
    """Yield all metrics of the streams, of all web workers together. Two queries, three without a worker."""
    survey = Survey.take()
    yield from _gauges(survey)
    yield from _of_each_worker(survey)
    yield from _counters(survey.counted)
    for name, key, words in _DURATIONS:
        histogram = added_up([survey.counted.get(key, {})])
        yield HistogramMetricFamily(
            f"medimgr_stream_{name}_seconds", words, histogram.cumulated(), sum_value=histogram.seconds
        )


def _gauges(survey: Survey) -> Iterator[Metric]:
    workers = GaugeMetricFamily("medimgr_stream_workers", "Web workers that serve streams.", labels=["state"])
    alive = sum(standing.alive for standing in survey.workers)
    workers.add_metric(["alive"], alive)
    workers.add_metric(["silent"], len(survey.workers) - alive)
    yield workers
    yield GaugeMetricFamily("medimgr_stream_pages", "Pages that open streams feed.", value=survey.pages)
    yield GaugeMetricFamily(
        "medimgr_stream_connections_limit",
        "Streams that may be open in all.",
        value=settings.MEDIMGR_STREAM_MAX_CONNECTIONS,
    )
    yield GaugeMetricFamily(
        "medimgr_event_log_newest_id", "Id of the newest event in the log.", value=last_event_id()
    )


def _of_each_worker(survey: Survey) -> Iterator[Metric]:
    by_worker = ["worker"]
    streams = GaugeMetricFamily("medimgr_stream_connections", "Streams that are open.", labels=by_worker)
    queue = GaugeMetricFamily(
        "medimgr_stream_queue_bytes", "Bytes kept for clients that do not read.", labels=by_worker
    )
    lags = [
        (GaugeMetricFamily(f"medimgr_stream_{name}", words, labels=by_worker), key)
        for name, key, words in _LAGS
    ]
    for standing in survey.workers:
        streams.add_metric([standing.name], standing.streams)
        queue.add_metric([standing.name], standing.now.get("queued_bytes", 0))
        for family, key in lags:
            if key in standing.now:
                family.add_metric([standing.name], standing.now[key])
    yield streams
    yield queue
    yield from (family for family, _ in lags)


def _counters(counted: Mapping[str, Any]) -> Iterator[Metric]:
    for name, key, words in _SUMS:
        yield CounterMetricFamily(f"medimgr_stream_{name}", words, value=counted.get(key, 0))
    plain = counted.get("bytes_wire", 0) + counted.get("bytes_saved", 0)
    yield CounterMetricFamily(
        "medimgr_stream_bytes_uncompressed", "Bytes handed to streams, before compression.", value=plain
    )
    yield _by_word(
        "medimgr_stream_messages", "Messages for streams.", "kind", counted.get("messages", {}), KINDS
    )
    yield _by_word(
        "medimgr_stream_disconnects", "Streams that ended.", "reason", counted.get("ended", {}), list(End)
    )
    yield _by_word(
        "medimgr_stream_refused", "Streams that were refused.", "reason", counted.get("refused", {}), REFUSALS
    )


def _by_word(name: str, words: str, label: str, counts: Mapping[str, int], known: Iterable[str]) -> Metric:
    """Return a counter by ``label``. The known ones are there from the start, so that a rate is known."""
    family = CounterMetricFamily(name, words, labels=[label])
    for word in sorted({*known, *counts}):
        family.add_metric([str(word)], counts.get(word, 0))
    return family


REFUSALS = sorted({"not-permitted", *(problem.code for problem in StreamRefused.__subclasses__())})
