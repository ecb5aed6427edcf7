"""Start a child of a child, which takes so many MiB more every tenth of a second: a leak far below."""

import os
import subprocess
import sys
import time

depth, step = int(sys.argv[1]), int(sys.argv[2])
if depth:
    child = subprocess.Popen([sys.executable, "-S", "-E", __file__, str(depth - 1), str(step)])
    print(f"child {child.pid}", flush=True)
    sys.exit(child.wait())
kept = []
while True:
    kept.append(bytearray(os.urandom(4096) * (step * 256)))
    time.sleep(0.1)
