"""Starts what its arguments say, in a session of its own, writes the pid and reaps it once it is told to."""

import subprocess
import sys


def main() -> None:
    """Reap when a line comes; end when the input does."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    print(child.pid, flush=True)
    for _ in sys.stdin:
        child.wait()
        print("reaped", flush=True)


main()
