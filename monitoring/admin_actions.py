"""The admin's actions on services. They only enqueue operations, and say for each what came of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html

from medimgr.lib.admin_classes import ModelAdmin
from monitoring.actions import ENDS_A_PROCESS, Batch, Verb, request_actions
from monitoring.models import Service
from operations.request_origin import requester_of

LABELS: dict[Verb, str] = {
    "start": "Start",
    "stop": "Stop",
    "restart": "Restart",
    "auto-recovery-on": "Turn auto-recovery on for",
    "auto-recovery-off": "Turn auto-recovery off for",
}
NAMED_AT_MOST = 10
LISTED_AT_MOST = 50


def act(
    model_admin: ModelAdmin[Service],
    request: HttpRequest,
    selected: QuerySet[Service],
    verb: Verb,
    action: str,
    *,
    rolling: bool = False,
) -> TemplateResponse | None:
    """Enqueue ``verb`` for the selected services; where one carries a warning, ask first.

    Returns the question as a page, or None once it is done. ``action`` is the admin's name for itself.
    """
    services = list(_confirmed(request, selected.select_related("node", "status").order_by("key")))
    if verb in ENDS_A_PROCESS and "confirmed" not in request.POST:
        warned = [service for service in services if service.warning]
        if warned:
            return _question(model_admin, request, services, warned, verb, action)
    outcome = request_actions(
        services,
        verb,
        requester_of(request, "admin"),
        rolling=rolling,
        reason=request.POST.get("reason", "").strip()[:500].replace("\0", ""),
    )
    _tell(model_admin, request, outcome, verb)
    return None


def _confirmed(request: HttpRequest, selected: QuerySet[Service]) -> QuerySet[Service]:
    """Return what was listed when the question was answered, not what matches by now."""
    listed = request.POST.get("confirmed")
    if listed is None:
        return selected
    return selected.filter(pk__in=[int(pk) for pk in listed.split(",") if pk.isascii() and pk.isdigit()])


def _question(
    model_admin: ModelAdmin[Service],
    request: HttpRequest,
    services: Sequence[Service],
    warned: Sequence[Service],
    verb: Verb,
    action: str,
) -> TemplateResponse:
    plain = [service for service in services if not service.warning]
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": f"{LABELS[verb]} {len(services)} service{'s' if len(services) != 1 else ''}?",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "warned": warned[:LISTED_AT_MOST],
        "warned_more": max(0, len(warned) - LISTED_AT_MOST),
        "plain": plain[:LISTED_AT_MOST],
        "plain_more": max(0, len(plain) - LISTED_AT_MOST),
        "action": action,
        "button": LABELS[verb],
        # One field for all of them: Django refuses forms of more than a thousand fields.
        "confirmed": ",".join(str(service.pk) for service in services),
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
        "first": services[0].pk,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/monitoring/service/confirm_action.html", context)


def _tell(model_admin: ModelAdmin[Service], request: HttpRequest, outcome: Batch, verb: Verb) -> None:
    label = LABELS[verb]
    for operation in outcome.operations[:NAMED_AT_MOST]:
        model_admin.message_user(
            request,
            format_html(
                '{} {}: asked for as <a href="{}">operation {}</a>.',
                label,
                operation.target_key,
                operation.get_absolute_url(),
                operation.pk,
            ),
            messages.SUCCESS,
        )
    for refusal in outcome.refused[:NAMED_AT_MOST]:
        model_admin.message_user(
            request, f"{label} {refusal.service}: refused. {refusal.detail}", messages.ERROR
        )
    if len(outcome.operations) > 1:
        link = format_html('<a href="{}">How far all of them are</a>.', outcome.state["url"])
        model_admin.message_user(request, link, messages.INFO)
    _tell_of_more(model_admin, request, outcome.operations, f"{label}: asked for on", messages.SUCCESS)
    _tell_of_more(model_admin, request, outcome.refused, f"{label}: refused on", messages.ERROR)


def _tell_of_more(
    model_admin: ModelAdmin[Service], request: HttpRequest, found: Iterable[Any], words: str, level: int
) -> None:
    more = len(list(found)) - NAMED_AT_MOST
    if more > 0:
        model_admin.message_user(request, f"{words} {more} more.", level)
