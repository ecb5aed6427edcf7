"""Addresses of the stream."""

from django.urls import path

from medimgr.events import pages, polling, views

app_name = "events"

urlpatterns = [
    path("", views.stream, name="stream"),
    path("disconnect/", views.disconnect, name="disconnect"),
    path("pages/", pages.pages, name="pages"),
    path("poll/", polling.poll, name="poll"),
]
