"""The benchmarks: ``script/bench supervisor``, ``streams``, ``operations`` and ``workstations``, each with
``--help``.
"""

import sys

from tests.benchmarks import operations, streams, supervisor, workstations

BENCHMARKS = {
    "supervisor": supervisor.main,
    "streams": streams.main,
    "operations": operations.main,
    "workstations": workstations.main,
}


def main() -> int:
    """Run the benchmark that the first argument names; return the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in BENCHMARKS:
        print(f"usage: script/bench {{{','.join(BENCHMARKS)}}} [--help]", file=sys.stderr)
        return 2
    return BENCHMARKS[name](sys.argv[2:])


if __name__ == "__main__":
    raise SystemExit(main())
