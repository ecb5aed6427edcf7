"""Requests restarts as a web process does: ``python -m ... COUNT KEY...``; prints each key and when."""

import random
import sys
import time

import django


def main() -> None:
    """Request them one at a time, at irregular intervals, and wait for each to be over."""
    django.setup()
    from monitoring.actions import request_action
    from monitoring.models import Service
    from operations.models import Operation
    from operations.requester import Requester

    count, *names = sys.argv[1:]
    chosen = random.Random(2)
    requester = Requester("benchmark", "command")
    for number in range(int(count)):
        service = Service.objects.select_related("node").get(key=names[number % len(names)])
        time.sleep(chosen.uniform(0.05, 0.25))
        began = time.monotonic_ns()
        operation = request_action(service, "restart", requester)
        print(service.key, began, flush=True)
        end = time.monotonic() + 20
        while not Operation.objects.filter(pk=operation.pk, finished_at__isnull=False).exists():
            if time.monotonic() > end:
                raise SystemExit(f"{service.key} is not back")
            time.sleep(0.01)


if __name__ == "__main__":
    main()
