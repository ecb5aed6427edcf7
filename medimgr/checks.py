"""System checks: found by ``manage.py check`` and at every start of a command or a web worker.

Each id has a hint and a test. What settings alone tell stands in :mod:`medimgr.contradictions`; here are
those rules as one check, and what takes a look at the data directory or the database. The one about nodes
needs the database and runs with ``manage.py check --database default`` and before migrations.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections
from django.utils import timezone

from medimgr.contradictions import found_in


@register(Tags.security)
def check_settings_go_together(app_configs: Any, **options: Any) -> list[CheckMessage]:  # noqa: ARG001
    """E001, E004 to E010, W001 to W005: see :mod:`medimgr.contradictions`."""
    return found_in(settings)


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
