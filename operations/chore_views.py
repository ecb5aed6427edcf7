"""The page of chores: periodic work, how it went, and when it is done next."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from medimgr.events import topics
from medimgr.events.log import last_event_id
from medimgr.lib.access import may, may_everywhere
from medimgr.lib.staff_page import staff_page
from operations.chore_rows import attention, chore_rows
from operations.models import ChoreRun, Operation

REFRESH_SECONDS = 5.0


@staff_page("view", ChoreRun)
def chores(request: HttpRequest) -> HttpResponse:
    """Show all chores. Two queries; the page asks again every few seconds."""
    event_id = last_event_id()
    rows = chore_rows()
    context = {
        "place": "operations",
        "rows": rows,
        "attention": attention(rows),
        "may_purge": may_everywhere(request.user, "purge", Operation),
        "page_data": {
            "last_event_id": event_id,
            "topics": sorted(topics.visible(request.user, ["connection"])),
            "chores": rows,
            "refresh_seconds": REFRESH_SECONDS,
            "may": {"run": may(request.user, "change", ChoreRun)},
        },
    }
    return render(request, "operations/chores.html", context)
