"""Declares a fleet in the database of the environment: JSON comes in, names with their keys go out."""

import json
import sys

import django


def main() -> None:
    """Store the workstations that the input lists, as ``fleet_process`` says them."""
    django.setup()
    from workstations.models import Workstation

    told = {}
    for fields in json.load(sys.stdin):
        password = fields.pop("password")
        workstation = Workstation(**fields)
        workstation.set_password(password)
        workstation.save()
        told[workstation.name] = workstation.pk
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
