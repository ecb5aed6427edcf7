"""Searches a service's log for API and shell: plain text here, expressions where they can do no harm."""

import json
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path

from django.conf import settings

from monitoring.exceptions import BadPattern, SearchBusy, SearchTooSlow
from monitoring.log_search import MOST_BYTES, MOST_SECONDS, Found, Search, plain, search

_GRACE_SECONDS = 1.5
_AT_ONCE = 2
_processes = threading.BoundedSemaphore(_AT_ONCE)


def find(
    path: Path, text: str, *, regex: bool = False, case: bool = False, before: int | None = None, limit: int
) -> Search:
    """Return the newest lines with ``text`` before an offset, see :func:`monitoring.log_search.search`.

    Blocks for some seconds at most. Raises OSError, and for a regular expression BadPattern, SearchTooSlow
    and SearchBusy.
    """
    if not regex:
        return search(path, plain(text, case=case), before=before, limit=limit)
    _check(text)
    if not _processes.acquire(timeout=MOST_SECONDS):
        raise SearchBusy
    try:
        return _in_a_process(path, text, case=case, before=before, limit=limit)
    finally:
        _processes.release()


def _check(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        words = f"This is not a regular expression: {error}."
        raise BadPattern(words, errors={"search": [words]}) from None


def _in_a_process(path: Path, pattern: str, *, case: bool, before: int | None, limit: int) -> Search:
    wanted = {
        "path": str(path),
        "pattern": pattern,
        "case": case,
        "before": before,
        "limit": limit,
        "most_bytes": MOST_BYTES,
        "most_seconds": MOST_SECONDS,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-m", "monitoring.log_search_process"],
            cwd=settings.BASE_DIR,
            input=json.dumps(wanted).encode(),
            capture_output=True,
            timeout=MOST_SECONDS + _GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SearchTooSlow from None
    if done.returncode < 0:
        raise SearchTooSlow
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        if last and last[0].startswith("MemoryError"):
            raise SearchTooSlow
        raise OSError(None, last[0] if last else f"the search ended with {done.returncode}")
    found = json.loads(done.stdout)
    return Search(**{**found, "matches": tuple(Found(**one) for one in found["matches"])})
