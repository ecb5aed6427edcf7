"""Starts a command and becomes the parent of what that leaves behind, as PID 1 of a machine does.

``keeper.py reap COMMAND...`` waits for whatever ends, ``keeper.py keep COMMAND...`` for nothing at all.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Stay for ever."""
    reaps = sys.argv[1] == "reap"
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    subprocess.Popen(sys.argv[2:])
    while True:
        if reaps:
            with contextlib.suppress(ChildProcessError):
                os.wait()
        time.sleep(0.01)


main()
