"""Starts the commands of a file, one a line, and starts each again when it ends. The floor."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run until SIGTERM."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.new_event_loop()
    living: dict[int, subprocess.Popen[bytes]] = {}

    def start(command: list[str]) -> None:
        process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
        pidfd = os.pidfd_open(process.pid)
        living[pidfd] = process
        loop.add_reader(pidfd, ended, pidfd, command)

    def ended(pidfd: int, command: list[str]) -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        living.pop(pidfd).wait()
        if not stopping:
            start(command)
        elif not living:
            loop.stop()

    stopping: list[bool] = []

    def stop() -> None:
        stopping.append(True)
        for process in list(living.values()):
            os.killpg(process.pid, signal.SIGTERM)

    loop.add_signal_handler(signal.SIGTERM, stop)
    for line in Path(sys.argv[1]).read_text().splitlines():
        start(line.split("\t"))
    loop.run_forever()


if __name__ == "__main__":
    main()
