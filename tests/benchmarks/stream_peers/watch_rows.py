"""Says how many connection rows there are, each time that it changes: lines of "COUNT NANOSECONDS"."""

import os
import sys
import time

import django

LOOK_SECONDS = 0.001


def main() -> None:
    """Look until whoever started this is gone or closes the output."""
    django.setup()
    from medimgr.events.models import Connection

    parent, last = os.getppid(), -1
    while os.getppid() == parent:
        count = Connection.objects.count()
        if count != last:
            sys.stdout.write(f"{count} {time.monotonic_ns()}\n")
            sys.stdout.flush()
            last = count
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
