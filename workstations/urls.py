"""The addresses of the workstations' pages."""

from django.urls import path

from workstations import views

app_name = "workstations"
# Slugs, not numbers: the operations' pages make the pattern of an address from a word.
urlpatterns = [
    path("", views.workstations, name="workstations"),
    path("snapshot/", views.fleet_data, name="snapshot"),
    path("emulators/<slug:pk>/", views.emulator, name="emulator"),
    path("<slug:pk>/", views.workstation, name="workstation"),
    path("<slug:pk>/snapshot/", views.workstation_data, name="workstation-snapshot"),
    path("<slug:pk>/panels/", views.workstation_panels, name="workstation-panels"),
]
