"""Addresses of the stream."""

from django.urls import path

from medimgr.events import views

app_name = "events"

urlpatterns = [
    path("", views.stream, name="stream"),
    path("disconnect/", views.disconnect, name="disconnect"),
]
