"""Has a grandchild do the work: ``burn`` (keep a core busy) or ``eat N`` (hold N MB of memory)."""

import os
import sys
import time


def main() -> None:
    """Fork twice; only the innermost process works."""
    if os.fork() == 0 and os.fork() == 0:
        block = bytearray(int(sys.argv[2]) << 20) if sys.argv[1] == "eat" else bytearray()
        for place in range(0, len(block), 4096):
            block[place] = 1
        print("ready", flush=True)
        while sys.argv[1] == "burn":
            pass
    time.sleep(60)


main()
