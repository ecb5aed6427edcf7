"""System checks: settings that contradict each other, found by ``manage.py check`` and at every start.

Each id has a hint and a test. They look at settings and the data directory; the one about nodes needs
the database and runs with ``manage.py check --database default`` and before migrations.
"""

import ipaddress
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections
from django.utils import timezone

CLIENT_GIVES_UP_AFTER = 45.0
"""Seconds without a byte after which a page takes its stream for dead."""


def is_loopback(host: str) -> bool:
    """Return whether an entry of ALLOWED_HOSTS can be reached from this machine alone. Pure."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _strangers() -> list[str]:
    # The test runner answers to a name of its own.
    return [host for host in settings.ALLOWED_HOSTS if not is_loopback(host) and host != "testserver"]


@register(Tags.security)
def check_debug_stays_at_home(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """E001: with DEBUG, an error page shows settings and source to whoever causes one."""
    strangers = _strangers()
    if not (settings.DEBUG and strangers):
        return []
    return [
        Error(
            f"DJANGO_DEBUG is true, and medimgr answers to {', '.join(strangers)}.",
            hint="Set DJANGO_DEBUG=false, or let DJANGO_ALLOWED_HOSTS name 127.0.0.1 and localhost alone.",
            id="medimgr.E001",
        )
    ]


@register(Tags.files)
def check_data_directory(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """E002: database, logs and locks need a directory that can be written to."""
    directory = Path(settings.MEDIMGR_DATA_DIR)
    if directory.is_dir() and os.access(directory, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The data directory {directory} is missing or not writable.",
            hint="Make it, give it to the account that runs medimgr, or point MEDIMGR_DATA_DIR elsewhere.",
            id="medimgr.E002",
        )
    ]


@register(Tags.database)
def check_sqlite_has_one_node(
    app_configs: Any,  # noqa: ARG001
    databases: Sequence[str] | None = None,
    **options: Any,
) -> list[CheckMessage]:
    """E003: an SQLite file is for one machine. One query; none where the table is not there yet."""
    if "default" not in (databases or ()) or connections["default"].vendor != "sqlite":
        return []
    nodes = apps.get_model("monitoring", "Node")
    lately = timezone.now() - timedelta(days=1)
    try:
        names = sorted(nodes.objects.filter(heartbeat_at__gte=lately).values_list("name", flat=True))
    except DatabaseError:  # not migrated yet
        return []
    if len(names) < 2:
        return []
    return [
        Error(
            f"Supervisors of several nodes ({', '.join(names)}) use one SQLite file.",
            hint="Set DATABASE_URL to a PostgreSQL database that all of them can reach.",
            id="medimgr.E003",
        )
    ]


@register()
def check_heartbeat_outpaces_the_watchdog(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """E004: a heartbeat that comes too late makes every page reconnect over and over."""
    if settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS < CLIENT_GIVES_UP_AFTER:
        return []
    return [
        Error(
            f"MEDIMGR_STREAM_HEARTBEAT_SECONDS is {settings.MEDIMGR_STREAM_HEARTBEAT_SECONDS:g}, but a page "
            f"takes its stream for dead after {CLIENT_GIVES_UP_AFTER:g} s of silence.",
            hint="Set it to 30 or less.",
            id="medimgr.E004",
        )
    ]


@register(Tags.security)
def check_hosts_are_named(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """W001: answering to any name lets somebody else's name point here."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "medimgr answers to any host name (DJANGO_ALLOWED_HOSTS contains *).",
            hint="Name the hosts that people open, separated by commas.",
            id="medimgr.W001",
        )
    ]


@register(Tags.security)
def check_cookies_fit_the_origins(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """W002: people come in by https, yet the session cookie would travel without it as well."""
    secure = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if origin.startswith("https://")]
    if not secure or settings.SESSION_COOKIE_SECURE:
        return []
    return [
        Warning(
            f"People come in by https ({', '.join(secure)}), but cookies may also travel without it.",
            hint="Set DJANGO_SECURE_COOKIES=true.",
            id="medimgr.W002",
        )
    ]


@register()
def check_stream_limits(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """W003: a limit per address above the limit in all never applies."""
    per_address = settings.MEDIMGR_STREAM_MAX_PER_ADDRESS
    in_all = settings.MEDIMGR_STREAM_MAX_CONNECTIONS
    if per_address <= in_all:
        return []
    return [
        Warning(
            f"One address may open {per_address} streams, but all together only {in_all}.",
            hint="Lower MEDIMGR_STREAM_MAX_PER_ADDRESS or raise MEDIMGR_STREAM_MAX_CONNECTIONS.",
            id="medimgr.W003",
        )
    ]
