"""django-eventstream on Daphne, as its README sets up one process. Runs in an environment of its own."""

import os
from typing import Any

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY=os.environ["BENCH_SECRET"],
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_eventstream"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["BENCH_DATABASE"]}},
    )
    django.setup()

import django_eventstream  # type: ignore[import-not-found]
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def publish(request: HttpRequest) -> HttpResponse:
    """Send the body, which is JSON, to every stream."""
    django_eventstream.send_event("bench", "message", request.body.decode(), json_encode=False)
    return HttpResponse("ok", headers={"Content-Length": "2"})


urlpatterns: list[Any] = [
    path("publish/", publish),
    path("events/", include("django_eventstream.urls"), {"channels": ["bench"]}),
]
application = get_asgi_application()
