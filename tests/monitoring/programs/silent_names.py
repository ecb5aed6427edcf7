"""Probes with name servers that never answer, in a network of its own; run under unshare, as root there.

Usage: silent_names.py RESOLV_CONF. Prints what was found, as JSON. Exits with EPERM where it may not mount.
"""

import asyncio
import ctypes
import errno
import json
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path

from monitoring.states import HealthKind
from monitoring.supervisor.commands import CommandRunner
from monitoring.supervisor.prober import Prober
from monitoring.supervisor.probes import ProbeResult
from monitoring.supervisor.spec import HealthCheck, ServiceSpec

HANGING = 20
_MS_BIND = 4096


def prepare(conf: str) -> socket.socket:
    """Bring up loopback, let port 53 swallow all questions, and name it as the only name server."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    swallowing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    swallowing.bind(("127.0.0.1", 53))
    Path(conf).write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n", encoding="ascii")
    target = str(Path("/etc/resolv.conf").resolve()).encode()
    if ctypes.CDLL(None, use_errno=True).mount(conf.encode(), target, None, _MS_BIND, None):
        sys.exit(errno.EPERM)
    return swallowing


async def main() -> None:
    """Probe names that hang, a local name and an address side by side."""
    logging.basicConfig()
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answers: dict[str, list[ProbeResult]] = {}
    enough = asyncio.Event()

    def answered(key: str, run_id: str, result: ProbeResult) -> bool:
        del run_id
        answers.setdefault(key, []).append(result)
        if len(answers) == HANGING + 2 and min(map(len, answers.values())) >= 2:
            enough.set()
        return False

    runner = CommandRunner(loop, node="n", data_dir="/")
    prober = Prober(loop, answered, commands=runner)
    hosts = {f"hangs-{n}": f"hangs-{n}.example" for n in range(HANGING)}
    for key, host in (hosts | {"local": "localhost", "address": "127.0.0.1"}).items():
        check = HealthCheck(HealthKind.HTTP, url=f"http://{host}:{port}/", timeout=0.5, interval=0.3)
        prober.start(key, "run", check, starting=True, spec=ServiceSpec(key, key, ("it",)))
    slowest, begun = 0.0, time.monotonic()
    while not enough.is_set() and time.monotonic() - begun < 15:
        turn = time.monotonic()
        await asyncio.sleep(0.005)
        slowest = max(slowest, time.monotonic() - turn)
    found = {
        key: sorted({(result.ok, result.hung, result.detail) for result in results})
        for key, results in answers.items()
    }
    print(json.dumps({"slowest": slowest, "answers": found}), flush=True)
    for key in answers:
        prober.stop(key)
    server.close()


if __name__ == "__main__":
    sink = prepare(sys.argv[1])
    asyncio.run(main())
