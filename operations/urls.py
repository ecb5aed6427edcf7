"""The addresses of the pages of operations."""

from django.urls import path

from operations import views

app_name = "operations"
urlpatterns = [
    path("", views.operations, name="list"),
    path("<int:pk>/", views.operation, name="operation"),
]
