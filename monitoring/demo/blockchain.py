"""MediVote's blockchain node: seals the receipts of ballots into hash-chained blocks.

The chain lives in memory. A node that starts asks the coordinator for its peers and takes over the
chain of the one that is furthest, so that a restart of one node among several loses nothing.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from monitoring.demo import log
from monitoring.demo.answers import Answer, Refused, Request
from monitoring.demo.blocks import GENESIS_PREVIOUS, BadChain, Block, check_links, mine, read_block
from monitoring.demo.client import Unreachable, ask
from monitoring.demo.membership import Membership
from monitoring.demo.service import HealthReport, Service, number

MOST_BLOCKS = 1000
"""Older blocks are forgotten: the node's memory stays bounded."""
MOST_WAITING = 10_000
MOST_PER_BLOCK = 500
MOST_PER_PAGE = 200
_RECEIPT = re.compile(r"[0-9a-f]{64}")


class Ledger:
    """The newest blocks and the receipts that wait for the next one. Safe for many threads."""

    def __init__(self, genesis: Block) -> None:
        """Begin a chain with ``genesis``."""
        self._lock = threading.Lock()
        self._blocks: deque[Block] = deque([genesis], maxlen=MOST_BLOCKS)
        self._sealed: dict[str, int] = {}
        self._waiting: dict[str, None] = {}

    @property
    def tip(self) -> Block:
        """Return the newest block."""
        return self._blocks[-1]

    @property
    def waiting(self) -> int:
        """Return how many receipts wait for a block."""
        return len(self._waiting)

    def take(self, receipts: Sequence[str]) -> int:
        """Queue what is neither queued nor sealed; return how many. Raises Refused (503) when full."""
        with self._lock:
            new = [r for r in dict.fromkeys(receipts) if r not in self._waiting and r not in self._sealed]
            if len(self._waiting) + len(new) > MOST_WAITING:
                raise Refused(503, f"{MOST_WAITING} receipts wait already.", retry_after=5)
            self._waiting.update(dict.fromkeys(new))
            return len(new)

    def next_ballots(self) -> list[str]:
        """Return the receipts for the next block, oldest first."""
        with self._lock:
            return list(self._waiting)[:MOST_PER_BLOCK]

    def append(self, block: Block) -> bool:
        """Add a block; return False where the chain has moved on since it was begun."""
        with self._lock:
            if block.previous != self.tip.digest:
                return False
            self._add(block)
            return True

    def replace(self, blocks: Sequence[Block]) -> bool:
        """Take over a longer chain of a peer; what it does not seal waits again."""
        with self._lock:
            if blocks[-1].height <= self.tip.height:
                return False
            mine_only = list(self._sealed)
            self._blocks.clear()
            self._sealed.clear()
            for block in blocks:
                self._add(block)
            self._waiting.update((r, None) for r in mine_only if r not in self._sealed)
            return True

    def since(self, height: int) -> list[Block]:
        """Return the blocks from ``height`` on, the lowest first, one page of them at most."""
        with self._lock:
            return [block for block in self._blocks if block.height >= height][:MOST_PER_PAGE]

    def height_of(self, receipt: str) -> int | None:
        """Return the block that seals a receipt, None while it waits. Raises Refused (404)."""
        with self._lock:
            if receipt not in self._sealed and receipt not in self._waiting:
                raise Refused(404, "This receipt is not known here, or is too old.")
            return self._sealed.get(receipt)

    def _add(self, block: Block) -> None:
        if len(self._blocks) == MOST_BLOCKS:
            for receipt in self._blocks[0].ballots:
                self._sealed.pop(receipt, None)
        self._blocks.append(block)
        for receipt in block.ballots:
            self._waiting.pop(receipt, None)
            self._sealed[receipt] = block.height


def longest_chain_of(peers: Sequence[str], than: int) -> list[Block]:
    """Return the valid chain of the first peer that is further than ``than``, or an empty list."""
    for peer in peers:
        try:
            if int(ask(f"{peer}/health")["height"]) <= than:
                continue
            blocks: list[Block] = []
            first = 0
            while page := [read_block(b) for b in ask(f"{peer}/chain?first={first}")["blocks"]]:
                blocks += page
                first = page[-1].height + 1
                if len(blocks) > MOST_BLOCKS:
                    break
            check_links(blocks)
        except (Unreachable, BadChain, KeyError, TypeError, ValueError) as fault:
            log.warning(f"peer {peer} cannot be followed: {fault}")
            continue
        if blocks and blocks[-1].height > than:
            return blocks
    return []


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("blockchain-node", 8102)
    seconds = number("BLOCK_SECONDS", 2.0, least=0.05, most=3600)
    difficulty = int(number("DIFFICULTY", 15, least=1, most=24))
    membership = Membership(service, "blockchain")
    ledger = Ledger(mine(0, GENESIS_PREVIOUS, time.time(), membership.name, (), 1))

    def seal(request: Request) -> Answer:
        receipts: Any = request.table().get("receipts")
        if not isinstance(receipts, list) or not receipts or len(receipts) > MOST_PER_BLOCK:
            raise Refused(422, f"receipts has to be a list of 1 to {MOST_PER_BLOCK} receipts.")
        for receipt in receipts:
            if not isinstance(receipt, str) or not _RECEIPT.fullmatch(receipt):
                raise Refused(422, "A receipt is a SHA-256 in 64 lower-case hexadecimal digits.")
        return Answer({"taken": ledger.take(receipts), "waiting": ledger.waiting}, 202)

    def chain(request: Request) -> Answer:
        blocks = ledger.since(request.whole("first", 0))
        return Answer({"height": ledger.tip.height, "blocks": [block.public() for block in blocks]})

    def receipt(request: Request) -> Answer:
        return Answer({"receipt": request.tail, "block": ledger.height_of(request.tail)})

    def grow() -> None:
        further = longest_chain_of(membership.peers, ledger.tip.height)
        if further and ledger.replace(further):
            log.info(f"took over a peer's chain up to block {ledger.tip.height}")
        tip = ledger.tip
        ballots = ledger.next_ballots()
        began = time.monotonic()
        block = mine(tip.height + 1, tip.digest, time.time(), membership.name, ballots, difficulty)
        if ledger.append(block):
            spent = (time.monotonic() - began) * 1000
            log.info(
                f"block {block.height} seals {len(ballots)} ballots: {block.digest[:16]}… "
                f"({block.nonce + 1} tries, {spent:.0f} ms)"
            )

    def report() -> HealthReport:
        tip = ledger.tip
        # A chain that has stood still this long is broken, whatever else seems to work.
        fine = time.time() - tip.made_at < max(30.0, 5 * seconds)
        return fine, {
            "height": tip.height,
            "tip": tip.digest,
            "waiting": ledger.waiting,
            "peers": len(membership.peers),
            "registered": membership.registered,
        }

    service.route("POST", "/seal", seal)
    service.route("GET", "/chain", chain)
    service.route("GET", "/receipts/*", receipt)
    service.every(seconds, grow, "making blocks")
    service.health(report)
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
