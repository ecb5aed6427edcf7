"""Every URL of medimgr. Wires, decides nothing."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from medimgr import health, metrics
from medimgr.api import api, unknown_address
from medimgr.login_page import LoginPage, admin_login

admin.site.site_header = "medimgr administration"
admin.site.site_title = "medimgr"
admin.site.index_title = "Declare and administer"
admin.site.site_url = "/monitoring/"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="monitoring:services")),
    path("login/", LoginPage.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("monitoring/", include("monitoring.urls")),
    path("workstations/", include("workstations.urls")),
    path("operations/", include("operations.urls")),
    path("events/", include("medimgr.events.urls")),
    path("admin/login/", admin_login),  # one door for all
    path("admin/logout/", LogoutView.as_view()),
    path("admin/", admin.site.urls),
    path("api/", unknown_address),
    path("api/", api.urls),
    re_path(r"^api(?:/.*)?$", unknown_address),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = "medimgr.error_pages.bad_request"
handler403 = "medimgr.error_pages.forbidden"
handler404 = "medimgr.error_pages.not_found"
handler500 = "medimgr.error_pages.server_error"
