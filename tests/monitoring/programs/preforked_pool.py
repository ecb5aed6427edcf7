"""A pool as preforking servers have it: all children share the MiB that their parent has filled before."""

import mmap
import os
import signal
import sys

children, shared_mb = int(sys.argv[1]), int(sys.argv[2])
shared = mmap.mmap(-1, shared_mb * 1024 * 1024)
shared.write(os.urandom(4096) * (shared_mb * 256))
for _ in range(children):
    if os.fork() == 0:
        # Each has read all of it, so that all of it is resident in each.
        touched = sum(shared[at] for at in range(0, len(shared), 4096))
        os.write(1, f"ready {touched}\n".encode())
        signal.pause()
signal.pause()
