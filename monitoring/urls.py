"""The addresses of the monitoring pages."""

from django.urls import path

from monitoring import views

app_name = "monitoring"
urlpatterns = [
    path("", views.services, name="services"),
    path("services/<str:key>/", views.service, name="service"),
    path("connections/", views.connections, name="connections"),
]
