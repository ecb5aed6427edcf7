"""From a POST to the web worker, over one connection that stays open, to the start of the handler."""

import http.client
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_peers.medimgr_here import MedimgrOnTheWeb
from tests.benchmarks.operation_peers.starts import Starts
from tests.benchmarks.queue_measures import started

_WARM = 10
_CSRF = "a" * 32


@dataclass(slots=True)
class PostLatency:
    """Milliseconds, one figure for each request."""

    to_start: list[float] = field(default_factory=list)
    """The request is sent → the handler starts."""
    from_commit: list[float] = field(default_factory=list)
    """The operation is committed → the handler starts."""
    to_answer: list[float] = field(default_factory=list)
    """The request is sent → the answer has come."""


class Poster:
    """Asks again, by POST as a page does, for operations that have failed; each does nothing."""

    def __init__(self, site: MedimgrOnTheWeb) -> None:
        """Connect, and warm up what is to be measured."""
        self._site = site
        self._line = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        self._commits = Starts(site.commits)
        self._chosen = random.Random(6)
        self._turn = 0
        end = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > end:
                raise CannotMeasure(f"The web worker does not serve. {site.output()}")
            time.sleep(0.1)
        self.measure(_WARM)

    def measure(self, samples: int, until: Callable[[], bool] = lambda: False) -> PostLatency:
        """Ask ``samples`` times, or ``until`` says so, at irregular intervals of 0.1 s on average."""
        found = PostLatency()
        while len(found.to_start) < samples and not until():
            time.sleep(self._chosen.uniform(0.05, 0.15))
            sent = time.monotonic_ns()
            key = self._ask()
            answered = time.monotonic_ns()
            began = started(self._site, key)
            found.to_start.append((began - sent) / 1e6)
            found.to_answer.append((answered - sent) / 1e6)
            if not self._commits.wait(lambda at, key=key: key in at, 10.0):  # type: ignore[misc]
                raise CannotMeasure(f"Nobody saw the commit of operation {key}. {self._site.output()}")
            found.from_commit.append((began - self._commits.at[key]) / 1e6)
        return found

    def _ask(self) -> str:
        failed = self._site.failed[self._turn % len(self._site.failed)]
        self._turn += 1
        cookies = f"sessionid={self._site.session}; csrftoken={_CSRF}"
        headers = {"Cookie": cookies, "X-CSRFToken": _CSRF, "X-Medimgr-Page": "1", "Content-Length": "0"}
        self._line.request("POST", f"/api/operations/{failed}/retry", headers=headers)
        answer = self._line.getresponse()
        body = answer.read()
        if answer.status != 202:
            raise CannotMeasure(f"The request was answered with {answer.status}: {body[:300]!r}")
        return str(json.loads(body)["operation"]["id"])

    def _answers(self) -> bool:
        try:
            self._line.request("GET", "/healthz")
            self._line.getresponse().read()
        except (OSError, http.client.HTTPException):
            self._line.close()
            return False
        return True
