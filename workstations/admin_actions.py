"""The admin's actions on workstations and emulators: they enqueue operations and say what came of it."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html

from medimgr.lib.admin_classes import ModelAdmin
from medimgr.lib.problems import Problem
from operations.batch_requests import Asked
from operations.batches import public
from operations.request_origin import requester_of
from workstations.actions import Chosen, EmulatorVerb, WorkstationVerb, request_actions
from workstations.models import Emulator, Workstation

NAMED_AT_MOST = 10


def act(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    chosen: Chosen[Workstation] | Chosen[Emulator],
    verb: WorkstationVerb | EmulatorVerb,
    label: str,
) -> None:
    """Enqueue ``verb`` for each that was chosen, as one batch, and tell by messages what became of it."""
    try:
        asked = request_actions(chosen, verb, requester_of(request, "admin"))
    except Problem as problem:
        model_admin.message_user(request, f"{label}: {problem.detail}", messages.ERROR)
        return
    _tell(model_admin, request, asked, label, {str(row.pk): str(row) for row in chosen.rows})


def _tell(
    model_admin: ModelAdmin[Any], request: HttpRequest, asked: Asked, label: str, names: Mapping[str, str]
) -> None:
    for operation in asked.operations[:NAMED_AT_MOST]:
        told = format_html(
            '{} {}: asked for as <a href="{}">operation {}</a>.',
            label,
            names.get(operation.target_key, operation.target),
            operation.get_absolute_url(),
            operation.pk,
        )
        model_admin.message_user(request, told, messages.SUCCESS)
    for refusal in asked.refused[:NAMED_AT_MOST]:
        name = names.get(refusal.target.partition(":")[2], refusal.target)
        model_admin.message_user(request, f"{label} {name}: refused. {refusal.detail}", messages.WARNING)
    if len(asked.operations) > 1:
        link = format_html('<a href="{}">How far all of them are</a>.', public(asked.batch)["url"])
        model_admin.message_user(request, link, messages.INFO)
    for rows, words, level in (
        (asked.operations, "asked for on", messages.SUCCESS),
        (asked.refused, "refused on", messages.WARNING),
    ):
        if len(rows) > NAMED_AT_MOST:
            model_admin.message_user(request, f"{label}: {words} {len(rows) - NAMED_AT_MOST} more.", level)
