"""django-tasks-db as its README sets it up. Settings, and the task. Runs in an environment of its own."""

import os
from typing import Any
from urllib.parse import urlsplit

SECRET_KEY = "only-for-the-benchmarks-of-this-machine-0123456789"
USE_TZ = True
INSTALLED_APPS = ["django_tasks", "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_url = urlsplit(os.environ["BENCH_DATABASE"])
_database: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["BENCH_DATABASE"]}
if _url.scheme == "sqlite":
    # As medimgr has it: the same durability, and nothing that would slow this one down.
    _database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _url.path,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
else:
    from urllib.parse import parse_qs, unquote

    _asked = {name: values[0] for name, values in parse_qs(_url.query).items()}
    _database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path.lstrip("/"),
        "USER": unquote(_url.username or ""),
        "PASSWORD": unquote(_url.password or ""),
        "HOST": _asked.get("host", _url.hostname or ""),
        "PORT": str(_url.port or ""),
    }
# Its worker would open a new connection for each task otherwise.
DATABASES = {"default": _database | {"CONN_MAX_AGE": None}}
