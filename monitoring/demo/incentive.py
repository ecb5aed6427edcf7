"""MediVote's incentive system: credits whoever makes blocks, for each new block of the chain."""

import threading
from collections.abc import Sequence

from monitoring.demo import log
from monitoring.demo.answers import Answer
from monitoring.demo.blocks import BadChain, Block, check_links, read_block
from monitoring.demo.client import Unreachable, ask
from monitoring.demo.membership import Membership
from monitoring.demo.service import HealthReport, Service, number, setting

PER_BLOCK = 10
PER_BALLOT = 1
MOST_ACCOUNTS = 1000


class Rewards:
    """Balances by miner, and how far the chain has been credited. Safe for many threads."""

    def __init__(self) -> None:
        """Begin before the first block."""
        self._lock = threading.Lock()
        self._balances: dict[str, int] = {}
        self._last: Block | None = None

    @property
    def next_height(self) -> int:
        """Return the first block that has not been credited."""
        return self._last.height + 1 if self._last else 0

    def credit(self, blocks: Sequence[Block]) -> int:
        """Credit new blocks; return the sum. Raises BadChain where they do not follow the last one."""
        check_links([*([self._last] if self._last else []), *blocks])
        total = 0
        with self._lock:
            for block in blocks:
                reward = PER_BLOCK + PER_BALLOT * len(block.ballots)
                if block.miner in self._balances or len(self._balances) < MOST_ACCOUNTS:
                    self._balances[block.miner] = self._balances.get(block.miner, 0) + reward
                    total += reward
                self._last = block
        return total

    def follow_anew(self) -> None:
        """Begin again with another chain; what was credited stays credited."""
        self._last = None

    def balances(self) -> dict[str, int]:
        """Return the balances, the highest first."""
        with self._lock:
            return dict(sorted(self._balances.items(), key=lambda account: -account[1]))


def main() -> int:
    """Serve until SIGTERM; return the exit code."""
    service = Service("incentive-system", 8103)
    chain_url = setting("BLOCKCHAIN_URL", "http://127.0.0.1:8102")
    membership = Membership(service, "incentive")
    rewards = Rewards()
    reached = False

    def follow() -> None:
        nonlocal reached
        reached = False
        answer = ask(f"{chain_url}/chain?first={rewards.next_height}")
        try:
            if int(answer["height"]) < rewards.next_height - 1:
                raise BadChain("The chain is shorter than what has been credited.")
            blocks = [read_block(block) for block in answer["blocks"]]
            total = rewards.credit(blocks)
        except BadChain as fault:
            log.warning(f"{fault} Following the node's present chain from here on.")
            rewards.follow_anew()
            return
        except (KeyError, TypeError, ValueError) as fault:
            raise Unreachable(f"{chain_url} sent no chain: {fault}") from None
        reached = True
        if blocks:
            log.info(f"credited {total} for {len(blocks)} blocks up to {blocks[-1].height}")

    def report() -> HealthReport:
        # Without the chain there is nothing to credit, and restarting this process would not bring it back.
        return True, {
            "chain_reached": reached,
            "credited_up_to": rewards.next_height - 1,
            "accounts": len(rewards.balances()),
            "registered": membership.registered,
        }

    service.route("GET", "/balances", lambda _request: Answer({"balances": rewards.balances()}))
    service.every(number("FOLLOW_SECONDS", 2, least=0.05, most=3600), follow, "following the chain")
    service.health(report)
    return service.run()


if __name__ == "__main__":
    raise SystemExit(main())
