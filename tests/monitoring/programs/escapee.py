"""Leaves the group in one way or another: ``setsid``, ``daemon`` (double fork), ``bare`` (no environment).

Writes the pid of what escaped; then both sleep.
"""

import os
import sys
import time


def main() -> None:
    """Let a child escape, and stay."""
    how = sys.argv[1]
    if os.fork() == 0:
        if how != "bare":
            os.setsid()
        if how == "daemon" and os.fork() > 0:
            os._exit(0)
        print(os.getpid(), flush=True)
        if how == "bare":
            os.execve("/bin/sleep", ["sleep", "60"], {})
    time.sleep(60)


main()
