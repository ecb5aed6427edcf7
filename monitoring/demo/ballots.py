"""AmarVote's ballot microservice: encrypts ballots in chunks.

Stateless: a chunk's memory is free again once it is answered. At most WORKERS chunks are calculated
at once, some more wait their turn, and the rest is told to come back. Each request ends after
REQUEST_SECONDS (five minutes), whatever happens.
"""

import os
import threading
import time
from typing import Any

from monitoring.demo import log
from monitoring.demo.answers import Answer, Refused, Request
from monitoring.demo.encryption import DEMONSTRATION_KEY, encrypt, tracking_code
from monitoring.demo.service import HealthReport, Service, number

MOST_BALLOTS = 64
MOST_CHOICES = 16
LONGEST_ID = 100
MOST_WAITING = 24
LARGEST_BODY = 1024 * 1024

Ballot = tuple[str, list[int]]


def read_chunk(content: dict[str, Any]) -> list[Ballot]:
    """Return the ballots of a request's body. Raises Refused (413, 422) naming the first bad ballot."""
    ballots = content.get("ballots")
    if not isinstance(ballots, list) or not ballots:
        raise Refused(422, 'Send {"ballots": [{"id": "...", "choices": [0, 1, ...]}, ...]}.')
    if len(ballots) > MOST_BALLOTS:
        raise Refused(413, f"A chunk has at most {MOST_BALLOTS} ballots, not {len(ballots)}. Send several.")
    return [_ballot(position, ballot) for position, ballot in enumerate(ballots)]


def _ballot(position: int, ballot: Any) -> Ballot:
    where = f"ballots[{position}]"
    if not isinstance(ballot, dict):
        raise Refused(422, f"{where} is no object with id and choices.")
    name, choices = ballot.get("id"), ballot.get("choices")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID:
        raise Refused(422, f"{where}.id has to be a text of 1 to {LONGEST_ID} characters.")
    if not isinstance(choices, list) or not 0 < len(choices) <= MOST_CHOICES:
        raise Refused(422, f"{where}.choices has to be a list of 1 to {MOST_CHOICES} choices.")
    if not all(choice in (0, 1) and isinstance(choice, int) for choice in choices):
        raise Refused(422, f"{where}.choices may hold 0 and 1 only.")
    return name, [int(choice) for choice in choices]


def encrypt_ballot(ballot: Ballot, public_key: int) -> dict[str, Any]:
    """Return the encrypted ballot as JSON-able data."""
    name, choices = ballot
    ciphertexts = [encrypt(choice, public_key) for choice in choices]
    return {
        "id": name,
        "ciphertexts": [[f"{pad:x}", f"{data:x}"] for pad, data in ciphertexts],
        "tracking_code": tracking_code(name, ciphertexts),
    }


class Turns:
    """The turns at calculating: ``workers`` at once, ``MOST_WAITING`` in the queue."""

    def __init__(self, workers: int) -> None:
        """Allow ``workers`` chunks at once."""
        self.workers = workers
        self.chunks = 0
        self.ballots = 0
        self.working = 0
        self._counting = threading.Lock()
        self._free = threading.BoundedSemaphore(workers)
        self._places = threading.BoundedSemaphore(workers + MOST_WAITING)

    def work_on(self, ballots: list[Ballot], request: Request) -> list[dict[str, Any]]:
        """Wait for a turn and encrypt. Raises Refused (503) when too many wait or time is up."""
        if not self._places.acquire(blocking=False):
            raise Refused(503, f"{MOST_WAITING} chunks wait already. Try again.", retry_after=2)
        try:
            if not self._free.acquire(timeout=max(0.0, request.deadline - time.monotonic())):
                request.check_deadline()
            try:
                with self._counting:
                    self.working += 1
                done = []
                for ballot in ballots:
                    request.check_deadline()
                    done.append(encrypt_ballot(ballot, DEMONSTRATION_KEY))
                with self._counting:
                    self.chunks += 1
                    self.ballots += len(done)
                return done
            finally:
                with self._counting:
                    self.working -= 1
                self._free.release()
        finally:
            self._places.release()


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("ballot-microservice", 8107, largest_body=LARGEST_BODY, request_seconds=300.0)
    workers = int(number("WORKERS", max(1, (os.cpu_count() or 2) - 1), least=1, most=64))
    turns = Turns(workers)
    checked = 0

    def chunk(request: Request) -> Answer:
        ballots = read_chunk(request.table())
        began = time.monotonic()
        done = turns.work_on(ballots, request)
        spent = round(time.monotonic() - began, 3)
        log.info(f"encrypted a chunk of {len(done)} ballots in {spent:g} s")
        return Answer({"count": len(done), "seconds": spent, "ballots": done})

    def check_itself() -> None:
        nonlocal checked
        encrypt_ballot(("self-check", [0, 1, 0, 1]), DEMONSTRATION_KEY)
        checked += 1

    def report() -> HealthReport:
        return True, {
            "chunks": turns.chunks,
            "ballots": turns.ballots,
            "working": turns.working,
            "self_checks": checked,
        }

    service.route("POST", "/chunks", chunk)
    service.every(2.0, check_itself, "checking the encryption")
    service.health(report)
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
