"""A worker process whose handlers talk: ``service.talk`` counts, the others try to let a secret slip.

The secret is in the variable CANARY, and its handlers were told that it is one; that in CANARY_TOLD stands
only where its surroundings give it away.
"""

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from operations.job import Job

LINES = 120


def talk(job: "Job") -> None:
    """Say so many lines, in a hurry at first and then slowly."""
    for number in range(1, LINES + 1):
        job.log(f"line {number}", "warning" if number % 10 == 0 else "info")
        if number > LINES // 2:
            time.sleep(0.02)


def spill(job: "Job") -> None:
    """Say secrets in as many ways as come to mind, and fail with one."""
    import base64
    import json
    from urllib.parse import quote

    from operations.exceptions import OperationFailed

    class Spilled(OperationFailed):
        """It spilled."""

        code = "spilled"

    known, told = os.environ["CANARY"], os.environ["CANARY_TOLD"]
    job.mask(known)
    job.log(f"it is {known}, or {known!r}")
    job.log(json.dumps({"whatever": known}), "debug")
    job.log(f"https://host/path?x={quote(known, safe='')}", "warning")
    job.log(base64.b64encode(known.encode()).decode())
    job.log("x" * 8190 + known)
    job.log("\n".join(["first", known, "last"]), "error")
    job.log(f"psql postgresql://user:{told}@host/db")
    job.log(f"password={told} --api-key {told} Authorization: Bearer {told}")
    job.log(json.dumps({"client_secret": told, "nested": {"token": told}}))
    job.log(f"\x1b[31mpass\x1b[0mword: {told}")
    job.progress(1, 2, f"half, with {known} and token={told}")
    time.sleep(0.4)  # so that it is written as progress, too
    raise Spilled(f"Cannot log in with {known}, nor at redis://:{told}@cache.")


def crash(job: "Job") -> None:
    """End in a traceback that holds secrets."""
    known, told = os.environ["CANARY"], os.environ["CANARY_TOLD"]
    job.mask(known)
    raise RuntimeError(f"{known} does not open postgresql://user:{told}@host/db")


def main() -> None:
    """Carry out what waits."""
    import django

    django.setup()
    from monitoring.models import Service
    from operations.executor import Executor
    from operations.registry import Kind, register

    for handler in (talk, spill, crash):
        register(Kind(f"service.{handler.__name__}", handler.__name__, Service, "start", handler=handler))
    Executor(threads=2).run(drain=True)


if __name__ == "__main__":
    main()
