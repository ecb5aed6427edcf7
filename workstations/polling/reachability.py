"""The chore that looks which workstations answer: one connect each, only differences written."""

import queue
import time
from collections import Counter
from collections.abc import Iterable

from django.conf import settings

from operations import chores
from workstations.models import Workstation
from workstations.polling import inventories
from workstations.polling.beats import left_until
from workstations.polling.probing import TIMEOUT_SECONDS, Finding, Prober, Target
from workstations.polling.statuses import ANSWERING, note_seen, store
from workstations.polling.verdicts import is_news

CHORE = "workstations.reachability"
_TAIL_SECONDS = TIMEOUT_SECONDS + 1.0
"""What the last one may need: nobody's turn is later than so long before the next beat."""
_GATHER_SECONDS = 0.25
"""What is found within this time is written in one transaction."""
_COLUMNS = ("host", "port", "status", "last_error", "error_code", "seen_at")


def look_who_answers() -> str:
    """Connect to each workstation's WinRM port, and store which have begun or ceased to answer.

    One query where nothing has changed. Takes MEDIMGR_REACHABILITY_SECONDS at most, and ends when the
    worker does. Returns a few words where something has changed.
    """
    stopping = chores.stopping()
    known = {one.pk: one for one in Workstation.objects.filter(polled=True).only(*_COLUMNS)}
    prober = Prober(_targets(known.values()))
    prober.start()
    answering: list[Workstation] = []
    changed: Counter[str] = Counter()
    try:
        over = False
        while not over and not stopping.is_set():
            found, over = _gathered(prober)
            answering += [known[one.target.pk] for one in found if one.failure is None]
            news = store(_news(found, known))
            if ANSWERING in news and inventories.CHORE in chores.all_chores():
                chores.run_now(inventories.CHORE)  # they are read at once
            changed.update(news)
    finally:
        prober.end()
        prober.join()
    note_seen(answering)
    return ", ".join(f"{count} {status}" for status, count in sorted(changed.items()))


def _targets(workstations: Iterable[Workstation]) -> list[Target]:
    every = settings.MEDIMGR_REACHABILITY_SECONDS
    now = time.time()
    return [
        Target(one.pk, one.host, one.port, left_until(one.pk, now, every, every - _TAIL_SECONDS))
        for one in workstations
    ]


def _gathered(prober: Prober) -> tuple[list[Finding], bool]:
    """Return what was found within a moment, and whether that was all."""
    found: list[Finding] = []
    until = time.monotonic() + _GATHER_SECONDS
    while (left := until - time.monotonic()) > 0:
        try:
            finding = prober.findings.get(timeout=left)
        except queue.Empty:
            break
        if finding is None:
            return found, True
        found.append(finding)
    return found, False


def _news(found: list[Finding], known: dict[int, Workstation]) -> list[Finding]:
    return [one for one in found if is_news(known[one.target.pk], one.failure, one.began)]
