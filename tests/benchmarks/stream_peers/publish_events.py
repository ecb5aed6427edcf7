"""Publishes the benchmarks' messages as the supervisor does, in a process that serves no web page.

``python -m ... FIRST``: each line of the input, "COUNT KIND", commits one transaction with so many events;
the number of the last one is the answer. The times in the messages are from before the transaction.
"""

import sys

import django


def main() -> None:
    """Publish what is asked for until the input ends."""
    django.setup()
    from django.db import transaction

    from medimgr.events.log import Fact, publish_all
    from tests.benchmarks.stream_peers.payload import payload

    number = int(sys.argv[1]) - 1
    for line in sys.stdin:
        count, kind = line.split()
        facts = []
        for _ in range(int(count)):
            number += 1
            facts.append(Fact("service", "benchmark", payload(number, kind)))
        with transaction.atomic():
            publish_all(facts)
        print(number, flush=True)


if __name__ == "__main__":
    main()
