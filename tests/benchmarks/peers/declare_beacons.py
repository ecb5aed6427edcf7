"""Declares beacons in medimgr's database: ``python -m ... BEACON LINES NAME...``."""

import sys

import django


def main() -> None:
    """Make the rows, in few queries."""
    django.setup()
    from django.conf import settings
    from django.utils import timezone

    from monitoring.models import Node, Service, ServiceStatus

    beacon, lines, *names = sys.argv[1:]
    node, _ = Node.objects.get_or_create(name=settings.MEDIMGR_NODE)
    services = Service.objects.bulk_create(
        # Stable after a second, as supervisor's startsecs=1: then a crash is followed by a start at once.
        Service(key=name, name=name, node=node, command=[beacon, name, lines], stable_seconds=1.0)
        for name in names
    )
    now = timezone.now()
    ServiceStatus.objects.bulk_create(ServiceStatus(service=service, since=now) for service in services)


if __name__ == "__main__":
    main()
