"""Starts a service whose log has no room, on a tiny file system of its own; for ``unshare --mount``."""

import contextlib
import ctypes
import errno
import logging
import os
import sys
from pathlib import Path

from django.conf import settings

settings.configure(MEDIMGR_NODE="n", MEDIMGR_DATA_DIR="/")

from monitoring.supervisor.process import Process  # noqa: E402
from monitoring.supervisor.spec import ServiceSpec  # noqa: E402


def main() -> None:
    """Mount, fill, start; exits with EPERM where mounting is not allowed."""
    logging.basicConfig()
    place = os.environ["PLACE"]
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", place.encode(), b"tmpfs", 0, b"nr_inodes=3"):
        sys.exit(errno.EPERM)
    with contextlib.suppress(OSError):
        for number in range(3):
            Path(place, f"filler{number}").touch()
    proof = os.memfd_create("proof", 0)
    command = ("/bin/sh", "-c", f"echo it ran >&{proof}; echo and says so")
    log = Path(place, "it.log")
    spec = ServiceSpec("it", "It", command, log_path=log)
    process = Process.spawn(spec, "run", pass_fds=[proof])
    while process.poll_exit() is None:
        pass
    process.reap()
    process.close()
    print(os.pread(proof, 100, 0).decode(), end="")


main()
