"""procrastinate as its documentation has it, without Django. Runs in an environment of its own."""

import os

import procrastinate  # type: ignore[import-not-found]

from tests.benchmarks.operation_peers.noop import write_down

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DATABASE"]))


@app.task(name="noop")  # type: ignore[untyped-decorator]
async def noop(number: int) -> None:
    """Write down that it has begun."""
    write_down(number)
