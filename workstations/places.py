"""Where workstations and emulators can be looked at, for the audit."""

from collections.abc import Collection

from django.urls import reverse

from medimgr.audit.places import lead_to, numbers
from workstations.models import Emulator, Workstation


def register_places() -> None:
    """Tell the audit where they are. Called once, when the app is ready."""
    lead_to("workstation", _workstations)
    lead_to("emulator", _emulators)


def _workstations(keys: Collection[str]) -> dict[str, str]:
    found = Workstation.objects.filter(pk__in=numbers(keys)).order_by().values_list("pk", flat=True)
    return {str(pk): reverse("workstations:workstation", args=[pk]) for pk in found}


def _emulators(keys: Collection[str]) -> dict[str, str]:
    found = Emulator.objects.filter(pk__in=numbers(keys)).order_by().values_list("pk", flat=True)
    return {str(pk): reverse("workstations:emulator", args=[pk]) for pk in found}
