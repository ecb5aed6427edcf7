"""Where services can be looked at, for the audit."""

from collections.abc import Collection

from django.urls import reverse

from medimgr.audit.places import lead_to
from monitoring.models import Service


def register_places() -> None:
    """Tell the audit where services are. Called once, when the app is ready."""
    lead_to("service", _services)


def _services(keys: Collection[str]) -> dict[str, str]:
    found = Service.objects.filter(key__in=keys).order_by().values_list("key", flat=True)
    return {key: reverse("monitoring:service", args=[key]) for key in found}
