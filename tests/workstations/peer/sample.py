"""A program for tests of the transport: prints, sleeps, echoes, ends as it is told."""

import json
import sys
import time

from tests.workstations.peer.program import Call, Outcome


def run(call: Call) -> Outcome:
    """Do what the first argument says: args, print, error, echo, sleep, exit, lines."""
    what, *rest = call.arguments or ["args"]
    if what == "args":
        return Outcome(0, json.dumps(rest).encode())
    if what == "print":
        return Outcome(0, b"x" * int(rest[0]))
    if what == "hex":
        return Outcome(0, bytes.fromhex(rest[0]))
    if what == "error":
        return Outcome(1, b"", " ".join(rest).encode())
    if what == "echo":
        return Outcome(0, call.stdin())
    if what == "sleep":
        time.sleep(float(rest[0]))
        return Outcome(0, b"slept")
    if what == "lines":
        return _lines(int(rest[0]), float(rest[1]))
    return Outcome(int(rest[0]) if what == "exit" else 2)


def _lines(count: int, pause: float) -> Outcome:
    for number in range(count):
        sys.stdout.buffer.write(f"line {number}\r\n".encode())
        sys.stdout.buffer.flush()
        time.sleep(pause)
    return Outcome(0)
