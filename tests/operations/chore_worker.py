"""A chore runner in a process of its own, for ``test_chore_handover.py``: its one chore takes its time."""

import os
import sys
import time
from pathlib import Path


def main(directory: Path) -> None:
    """Do the chore ``slow`` until killed: note the pid, then wait for a file ``go``."""
    import django

    django.setup()
    from operations import chores
    from operations.chores import Chore, ChoreRunner

    def slow() -> str:
        sink = os.open(directory / "begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(sink, f"{os.getpid()}\n".encode())
        os.close(sink)
        while not (directory / "go").exists():
            time.sleep(0.02)
        return f"done by {os.getpid()}"

    for name in chores.all_chores():
        chores.unregister(name)
    chores.register(Chore("slow", 3600.0, slow))
    runner = ChoreRunner(f"worker:test:{os.getpid()}", look_seconds=0.05)
    runner.start()
    runner.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
