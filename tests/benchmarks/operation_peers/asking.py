"""The loop of a process that asks for operations. Runs in the peers' environments: standard library alone.

Orders come a line each. ``one``: ask for one; the answer is its key and the time from before. ``many N``:
have N waiting, whichever way is quickest; the answer is ``done``. ``each N``: ask for N one after the other.
"""

import sys
import time
from collections.abc import Callable


def answer_orders(ask: Callable[[], object], have_waiting: Callable[[int], None]) -> None:
    """Follow the orders until the input ends. ``ask`` returns the key that the handler will write down."""
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "one":
            began = time.monotonic_ns()
            print(ask(), began, flush=True)
            continue
        if word == "many":
            have_waiting(int(number))
        else:
            for _ in range(int(number)):
                ask()
        print("done", flush=True)
