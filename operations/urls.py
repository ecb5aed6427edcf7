"""The addresses of the pages of operations."""

from django.urls import path

from operations import chore_views, views

app_name = "operations"
urlpatterns = [
    path("", views.operations, name="list"),
    path("chores/", chore_views.chores, name="chores"),
    path("<int:pk>/", views.operation, name="operation"),
]
