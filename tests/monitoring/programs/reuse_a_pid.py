"""Ends a process, gives its pid to a stranger and tries to reach the first by it; for ``unshare --pid``."""

import errno
import os
import sys
import time
from pathlib import Path

from django.conf import settings

settings.configure(MEDIMGR_NODE="n", MEDIMGR_DATA_DIR="/")

from monitoring.supervisor.process import Process, kill_verified  # noqa: E402
from monitoring.supervisor.proctable import MarkerCache, ProcTable, members  # noqa: E402
from monitoring.supervisor.sampler import Sampler  # noqa: E402
from monitoring.supervisor.spec import ServiceSpec  # noqa: E402


def fork_with_pid(pid: int) -> int:
    """Return ``pid``, now a child of ours that sleeps in a session of its own."""
    try:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    except PermissionError:
        sys.exit(errno.EPERM)
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(60)
    assert child == pid, f"got {child}"
    return child


def main() -> None:
    """Do it; the caller reads from the output whether the stranger has survived."""
    spec = ServiceSpec("it", "It", ("/bin/true",), log_path=Path("/dev/null"))
    first = Process.spawn(spec, "run")
    identity = first.identity
    cache, sampler = MarkerCache(), Sampler()
    sampler.sample({"it": identity})
    members(ProcTable.read(), identity, cache)
    while first.poll_exit() is None:
        pass
    first.reap()
    time.sleep(0.05)  # another tick, as start times count them
    stranger = fork_with_pid(identity.pid)
    table = ProcTable.read()
    assert stranger in table
    assert Process.adopt(identity) is None
    assert members(table, identity, cache) == set()
    assert sampler.sample({"it": identity})["it"].processes == 0
    assert not kill_verified(identity.pid, identity.start_ticks)
    first.signal("SIGTERM")
    first.kill_group()
    time.sleep(0.05)
    assert os.waitpid(stranger, os.WNOHANG) == (0, 0)
    print("the stranger lives")
    os.kill(stranger, 9)


main()
