"""Writes numbered lines to stdout: numbered_lines.py COUNT [MB_PER_SECOND [WIDTH]].

At its end it tells on stderr how long its slowest write took, in milliseconds.
"""

import os
import sys
import time

LINES_AT_ONCE = 50


def main() -> None:
    """Write, at most so fast, in writes of whole lines."""
    count = int(sys.argv[1])
    speed = float(sys.argv[2]) * 1_000_000 if len(sys.argv) > 2 else 0.0
    width = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    written, slowest = 0, 0.0
    begun = time.monotonic()
    for first in range(0, count, LINES_AT_ONCE):
        text = b"".join(
            b"%d %s\n" % (number, b"." * (width or number % 97))
            for number in range(first, min(first + LINES_AT_ONCE, count))
        )
        before = time.monotonic()
        assert os.write(1, text) == len(text)
        slowest = max(slowest, time.monotonic() - before)
        written += len(text)
        while speed and written > speed * (time.monotonic() - begun):
            time.sleep(0.001)
    os.write(
        2,
        b"slowest write %.1f ms, %.1f MB/s\n" % (1000 * slowest, written / 1e6 / (time.monotonic() - begun)),
    )


main()
