"""Whether the streams are well, in words: what is wrong, where, and what to do. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from medimgr.events.histogram import added_up
from medimgr.events.quality import OUR_REFUSALS, errors
from medimgr.events.survey import Survey

NEARLY_FULL = 0.9
READER_SILENT_SECONDS = 10.0
"""It looks once a second."""
READER_BEHIND_SECONDS = 5.0
SLOW_SECONDS = 1.0
ERROR_PERCENT = 5.0
FEWEST = 20
"""Below so many, a share says nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``ok``, ``idle``, ``degraded``, ``full`` or ``silent``, with what was found. The worst comes first."""

    status: str
    findings: tuple[Finding, ...] = ()

    @property
    def reason(self) -> str:
        """Return the findings as sentences, empty where there is none."""
        return " ".join(finding.words for finding in self.findings)


def judge(survey: Survey, limit: int) -> Verdict:
    """Return the verdict on the web workers and their streams, of which ``limit`` may be open."""
    if not survey.workers:
        words = "No web worker serves streams yet; each reports with its first one."
        return Verdict("idle", (Finding("idle", words),))
    if not any(worker.alive for worker in survey.workers):
        words = "The web workers that served streams have stopped reporting. Check manage.py up."
        return Verdict("silent", (Finding("silent", words),))
    findings = (*_places(survey, limit), *_readers(survey), *_pace(survey), *_failures(survey))
    if not findings:
        return Verdict("ok")
    return Verdict("full" if findings[0].code == "full" else "degraded", findings)


def _places(survey: Survey, limit: int) -> Iterator[Finding]:
    used = survey.streams
    if used >= limit:
        yield Finding(
            "full", f"All {used} places are taken. Raise MEDIMGR_STREAM_MAX_CONNECTIONS or close pages."
        )
    elif used >= NEARLY_FULL * limit:
        yield Finding(
            "nearly-full",
            f"{used} of {limit} places are taken. Raise MEDIMGR_STREAM_MAX_CONNECTIONS before pages "
            "are refused.",
        )


def _readers(survey: Survey) -> Iterator[Finding]:
    for worker in survey.workers:
        if not worker.alive:
            continue
        silent, behind = worker.now.get("silent_seconds", 0.0), worker.now.get("lag_seconds", 0.0)
        if silent > READER_SILENT_SECONDS:
            yield Finding(
                "reader-stuck",
                f"Web worker {worker.name} has not read the event log for {silent:.0f} s, so its pages stand "
                "still. It begins anew by itself; if this stays, look at the database, then restart the "
                "worker.",
            )
        elif behind > READER_BEHIND_SECONDS:
            yield Finding(
                "reader-behind",
                f"Web worker {worker.name} is {behind:.0f} s ({worker.now.get('lag_events', 0)} events) "
                "behind the event log. Look at its CPU and at the database; more web workers share the work.",
            )


def _pace(survey: Survey) -> Iterator[Finding]:
    latency = added_up([survey.recent.get("latency", {})])
    slowest = latency.quantile(0.99)
    if slowest is not None and latency.count >= FEWEST and slowest > SLOW_SECONDS:
        yield Finding(
            "slow",
            f"One event in a hundred took more than {slowest:.1f} s to its pages within the last five "
            "minutes. Look at the CPU of the web workers and at the database; more web workers share "
            "the work.",
        )


_REMEDIES = {
    "too-many-streams": "Raise MEDIMGR_STREAM_MAX_CONNECTIONS or MEDIMGR_STREAM_MAX_PER_ADDRESS; behind a "
    "proxy, name it in MEDIMGR_TRUSTED_PROXIES.",
    "database-away": "Look at the database: it did not answer.",
    "shutting-down": "Web workers were being replaced; their pages come back by themselves.",
}


def _failures(survey: Survey) -> Iterator[Finding]:
    recent = errors(survey.recent)
    asked = recent["opened"] + sum(recent["refused_by_reason"].get(code, 0) for code in OUR_REFUSALS)
    if asked < FEWEST or recent["error_percent"] <= ERROR_PERCENT:
        return
    counts = {code: recent["refused_by_reason"].get(code, 0) for code in OUR_REFUSALS}
    worst = max(counts, key=lambda code: counts[code])
    words = f"{recent['error_percent']:g} % of the streams asked for within the last five minutes failed"
    if counts[worst] >= recent["write_errors"]:
        yield Finding("failing", f"{words}, most as {worst}. {_REMEDIES[worst]}")
    else:
        yield Finding(
            "failing", f"{words}, most while being written to. Look at the network and its proxies."
        )
