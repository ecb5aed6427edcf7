"""Hash-chained blocks with a modest proof of work. Pure but for the search's use of CPU."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

GENESIS_PREVIOUS = "0" * 64


class BadChain(Exception):
    """The blocks do not follow from one another."""


@dataclass(frozen=True, slots=True)
class Block:
    """A sealed set of ballots. ``digest`` covers every other field."""

    height: int
    previous: str
    """The digest of the block before."""
    made_at: float
    miner: str
    ballots: tuple[str, ...]
    """The receipts (SHA-256, hex) of the ballots that it seals."""
    difficulty: int
    """So many leading bits of the digest are zero."""
    nonce: int
    digest: str

    def public(self) -> dict[str, Any]:
        """Return the block as JSON-able data."""
        return {**asdict(self), "ballots": list(self.ballots)}


def mine(
    height: int, previous: str, made_at: float, miner: str, ballots: Sequence[str], difficulty: int
) -> Block:
    """Return the block with the first nonce that meets the difficulty: 2 ** difficulty tries on average."""
    prefix = _prefix(height, previous, made_at, miner, ballots, difficulty)
    for nonce in itertools.count():
        digest = hashlib.sha256(b"%s%d" % (prefix, nonce)).digest()
        if _meets(digest, difficulty):
            return Block(height, previous, made_at, miner, tuple(ballots), difficulty, nonce, digest.hex())
    raise AssertionError("the search has no end")


def read_block(content: Any) -> Block:
    """Return the block that another node has sent. Raises BadChain unless its digest is right."""
    try:
        block = Block(**{**content, "ballots": tuple(content["ballots"])})
        prefix = _prefix(
            block.height, block.previous, block.made_at, block.miner, block.ballots, block.difficulty
        )
        digest = hashlib.sha256(b"%s%d" % (prefix, block.nonce)).digest()
        genuine = digest.hex() == block.digest and _meets(digest, block.difficulty)
    except (TypeError, KeyError, ValueError) as fault:
        raise BadChain(f"This is no block: {fault}") from None
    if not genuine:
        raise BadChain(f"Block {block.height} does not have the digest that it claims.")
    return block


def check_links(blocks: Sequence[Block]) -> None:
    """Raise BadChain unless each block follows the one before it."""
    for before, after in itertools.pairwise(blocks):
        if after.previous != before.digest or after.height != before.height + 1:
            raise BadChain(f"Block {after.height} does not follow block {before.height}.")


def _prefix(
    height: int, previous: str, made_at: float, miner: str, ballots: Sequence[str], difficulty: int
) -> bytes:
    return json.dumps([height, previous, made_at, miner, list(ballots), difficulty]).encode()


def _meets(digest: bytes, difficulty: int) -> bool:
    return int.from_bytes(digest, "big") >> (256 - difficulty) == 0
