"""MediVote's backend: takes ballots, has the blockchain node seal their receipts, counts.

Everything is in memory and bounded. A ballot that waits for sealing is never dropped: when too many
wait, new ones are refused until the blockchain node is back.
"""

import hashlib
import json
import secrets
import threading
from collections import Counter, deque
from typing import Any

from monitoring.demo import log
from monitoring.demo.answers import Answer, Refused, Request
from monitoring.demo.client import Unreachable, ask, call
from monitoring.demo.service import HealthReport, Service, number, setting

CANDIDATES = ("Ada", "Grace", "Edsger")
MOST_REMEMBERED = 5000
LONGEST_VOTER = 64
PER_SEAL = 200


class BallotBox:
    """Accepted ballots: all counted, the newest remembered, some waiting to be sealed."""

    def __init__(self, most_waiting: int) -> None:
        """Refuse ballots while ``most_waiting`` of them wait for the blockchain node."""
        self.most_waiting = most_waiting
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._remembered: deque[tuple[str, str]] = deque(maxlen=MOST_REMEMBERED)
        self._votes: Counter[str] = Counter(dict.fromkeys(CANDIDATES, 0))
        self.handed_over = 0

    @property
    def waiting(self) -> int:
        """Return how many ballots the blockchain node has not taken yet."""
        return len(self._waiting)

    def cast(self, voter: str, choice: str) -> str:
        """Count a ballot and return its receipt. Raises Refused (503) while too many wait."""
        # The salt keeps a receipt from telling who voted what.
        content = json.dumps([voter, choice, secrets.token_hex(16)])
        receipt = hashlib.sha256(content.encode()).hexdigest()
        with self._lock:
            if len(self._waiting) >= self.most_waiting:
                raise Refused(503, "Sealing is paused and the queue is full. Try later.", retry_after=10)
            self._waiting.append(receipt)
            self._remembered.append((receipt, choice))
            self._votes[choice] += 1
        return receipt

    def next_to_seal(self) -> list[str]:
        """Return the receipts to hand over next, oldest first. They stay until :meth:`sealed`."""
        with self._lock:
            return [self._waiting[i] for i in range(min(PER_SEAL, len(self._waiting)))]

    def sealed(self, count: int) -> None:
        """Forget the ``count`` oldest waiting receipts: the blockchain node has them."""
        with self._lock:
            for _ in range(count):
                self._waiting.popleft()
            self.handed_over += count

    def tally(self) -> dict[str, int]:
        """Return the votes by candidate."""
        with self._lock:
            return dict(self._votes)


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("medivote-backend", 8101)
    chain_url = setting("BLOCKCHAIN_URL", "http://127.0.0.1:8102")
    box = BallotBox(int(number("MOST_WAITING", 2000, least=1, most=100_000)))
    sealing = False

    def cast(request: Request) -> Answer:
        content = request.table()
        voter: Any = content.get("voter")
        if not isinstance(voter, str) or not 0 < len(voter) <= LONGEST_VOTER:
            raise Refused(422, f"voter has to be a text of 1 to {LONGEST_VOTER} characters.")
        if content.get("choice") not in CANDIDATES:
            raise Refused(422, f"choice has to be one of {', '.join(CANDIDATES)}.")
        return Answer({"receipt": box.cast(voter, content["choice"])}, 202)

    def tally(_request: Request) -> Answer:
        return Answer({"tally": box.tally(), "waiting": box.waiting, "handed_over": box.handed_over})

    def receipt(request: Request) -> Answer:
        try:
            status, content = call(f"{chain_url}/receipts/{request.tail}")
        except Unreachable as fault:
            raise Refused(503, f"The blockchain node cannot be asked: {fault}.", retry_after=5) from None
        return Answer(content, status)

    def seal() -> None:
        nonlocal sealing
        while receipts := box.next_to_seal():
            try:
                ask(f"{chain_url}/seal", {"receipts": receipts})
            except Unreachable:
                sealing = False
                raise
            box.sealed(len(receipts))
            log.info(f"handed {len(receipts)} ballots over to be sealed, {box.waiting} wait")
        if not sealing:
            ask(f"{chain_url}/health")
        sealing = True

    def report() -> HealthReport:
        # A pause in sealing is no failure: ballots wait here. Having to refuse them is one.
        return box.waiting < box.most_waiting, {
            "sealing": "running" if sealing else "paused",
            "waiting": box.waiting,
            "handed_over": box.handed_over,
            "votes": sum(box.tally().values()),
        }

    service.route("POST", "/ballots", cast)
    service.route("GET", "/tally", tally)
    service.route("GET", "/receipts/*", receipt)
    service.every(number("SEAL_SECONDS", 1, least=0.05, most=3600), seal, "handing ballots over")
    service.health(report)
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
