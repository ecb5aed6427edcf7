"""Visits first pages of lists in one process: ``python -m ... ROUNDS``; prints a line of JSON for each.

Server time is what Django's test client takes, all middleware included, without network and parsing of HTTP.
The queries are counted in a visit of its own.
"""

import json
import sys
import time
from datetime import timedelta
from typing import Any

import django

_COMBINED = "kind=service.stop&status=failed&requested_by=operator-3"


def filters(newest: int, batch: str) -> dict[str, str]:
    """Return the filters that are measured, by what they are called in the table."""
    return {
        "no filter": "",
        "status": "status=SUCCESS",
        "failed": "status=failed",
        "under way (none)": "status=active",
        "kind": "kind=service.stop",
        "kind (none)": "kind=service.unknown",
        "target": "target=service:target-0001",
        "all of a type": "target=service",
        "who": "requested_by=operator-3",
        "who (none)": "requested_by=nobody",
        "batch": f"batch={batch}",
        "since, recent": "since=3h",
        "since, all": "since=60d",
        "kind, status, who": _COMBINED,
        "kind, status, nobody": "kind=service.stop&status=failed&requested_by=nobody",
        "status, target, since": "status=SUCCESS&target=service:target-0001&since=20d",
        "older, from the middle": f"before={newest // 2}",
    }


def admin_filters(day: Any) -> dict[str, str]:
    """Return what is asked of the admin's list."""
    return {
        "no filter": "",
        "status": "status__exact=FAILED",
        "kind": "kind__exact=service.stop",
        "search": "q=target-0001",
        "search (none)": "q=nothing-like-it",
        "a month": f"created_at__year={day.year}&created_at__month={day.month}",
    }


def main() -> None:
    """Visit every page with every filter."""
    django.setup()
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from operations.models import Batch, Operation

    rounds = int(sys.argv[1])
    visitor = Client(SERVER_NAME="127.0.0.1")
    visitor.force_login(User.objects.create(username="visitor", is_staff=True, is_superuser=True))
    newest = Operation.objects.latest("id").pk
    one = Batch.objects.order_by("-created_at").first()
    queries = filters(newest, one.pk if one else "none")
    places = {"page": "/operations/", "API": "/api/operations"}
    wanted = [(where, name, path, query) for where, path in places.items() for name, query in queries.items()]
    day = timezone.now() - timedelta(days=3)
    path = "/admin/operations/operation/"
    wanted += [("admin", name, path, query) for name, query in admin_filters(day).items()]
    for where, name, path, query in wanted:
        address = f"{path}?{query}" if query else path
        answer = visitor.get(address)  # the first one loads templates and statements
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            answer = visitor.get(address)
            took.append(1e3 * (time.perf_counter() - began))
        with CaptureQueriesContext(
            connection,
        ) as asked:
            visitor.get(address)
        told = {
            "where": where,
            "filter": name,
            "status": answer.status_code,
            "ms": took,
            "queries": len(asked),
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
