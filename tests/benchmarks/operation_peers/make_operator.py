"""Logs in somebody who may do everything: ``python -m ... COUNT``.

Prints the key of the session, and the ids of COUNT operations that have failed and may be asked for again.
"""

import sys

import django

from tests.benchmarks.operation_peers.apps import KIND


def main() -> None:
    """Make the account, its session and the operations, each about a target of its own."""
    django.setup()
    from django.contrib.auth.models import User

    from operations.models import Operation
    from tests.benchmarks.seeding import History, seed_history
    from tests.events.sessions import log_in

    operator = User.objects.create(username="operator", is_staff=True, is_superuser=True)
    ends = (("FAILED", "internal-error", "It was made so."),)
    recent = History(int(sys.argv[1]), lines=0, oldest_hours=0.5, newest_hours=0.1, kinds=(KIND,), ends=ends)
    ids = seed_history(recent)
    for pk in ids:
        Operation.objects.filter(pk=pk).update(target_key=f"target-of-{pk}")
    print(log_in(operator), *ids)


if __name__ == "__main__":
    main()
