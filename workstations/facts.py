"""Stores what a workstation said of itself, and publishes it."""

from collections.abc import Mapping
from typing import Any, Literal

from django.db import transaction
from django.utils import timezone

from medimgr.events.log import publish
from workstations.models import Workstation

Column = Literal["system", "host_check"]


def store(workstation_id: int, column: Column, said: Mapping[str, Any]) -> None:
    """Store ``said`` with the time as ``at``, and publish the workstation where that differs from before.

    One short transaction with up to three queries. Only that column is written, so that a form saved
    meanwhile loses nothing; of a workstation that was deleted meanwhile, nothing is.
    """
    with transaction.atomic():
        before = Workstation.objects.filter(pk=workstation_id).values_list(column, flat=True).first()
        written = Workstation.objects.filter(pk=workstation_id).update(
            **{column: {"at": timezone.now().isoformat(), **said}}
        )
        if written and {**(before or {}), "at": ""} != {**said, "at": ""}:
            workstation = Workstation.objects.get(pk=workstation_id)
            publish("workstation", str(workstation_id), workstation.public(), workstation.scope_labels())
