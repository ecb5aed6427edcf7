"""Settings of medimgr. Every choice that differs between machines comes from the environment.

``.env.example`` lists all variables; a test keeps the list and this file equal.
"""

import sys
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from medimgr.environment import Environment, default_node_name
from medimgr.postgresql_options import postgresql_options

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR / ".env")

SECRET_KEY = env.secret(
    "DJANGO_SECRET_KEY", remedy="script/bootstrap writes one into .env where there is none."
)
DEBUG = env.flag("DJANGO_DEBUG", False)
ALLOWED_HOSTS = env.names("DJANGO_ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("DJANGO_CSRF_TRUSTED_ORIGINS", [])

# --- medimgr's own -----------------------------------------------------------------------------
MEDIMGR_NODE = env.word("MEDIMGR_NODE", default_node_name(), longest=100)
MEDIMGR_DATA_DIR = env.directory("MEDIMGR_DATA_DIR", BASE_DIR / "var")
MEDIMGR_STREAM_MAX_CONNECTIONS = env.number("MEDIMGR_STREAM_MAX_CONNECTIONS", 500, least=1)
MEDIMGR_STREAM_MAX_PER_ADDRESS = env.number("MEDIMGR_STREAM_MAX_PER_ADDRESS", 10, least=1)
MEDIMGR_TRUSTED_PROXIES = env.networks("MEDIMGR_TRUSTED_PROXIES")
MEDIMGR_STREAM_HEARTBEAT_SECONDS = env.seconds("MEDIMGR_STREAM_HEARTBEAT_SECONDS", 30.0, least=0.2)
MEDIMGR_STREAM_MAX_AGE_SECONDS = env.seconds("MEDIMGR_STREAM_MAX_AGE_SECONDS", 1800.0, least=1.0)
MEDIMGR_STREAM_DIRECT = env.flag("MEDIMGR_STREAM_DIRECT", True)
MEDIMGR_REQUEST_DEADLINE_SECONDS = env.seconds("MEDIMGR_REQUEST_DEADLINE_SECONDS", 300.0, least=0.1)
MEDIMGR_REQUEST_MAX_BODY_MB = env.number("MEDIMGR_REQUEST_MAX_BODY_MB", 5, least=1)
MEDIMGR_REQUEST_ARRIVAL_SECONDS = env.seconds("MEDIMGR_REQUEST_ARRIVAL_SECONDS", 60.0, least=0.1)
MEDIMGR_WEB_MAX_AGE_SECONDS = env.seconds("MEDIMGR_WEB_MAX_AGE_SECONDS", 86_400.0)
MEDIMGR_WEB_MAX_MEMORY_MB = env.number("MEDIMGR_WEB_MAX_MEMORY_MB", 512)
MEDIMGR_WEB_MAX_REQUESTS = env.number("MEDIMGR_WEB_MAX_REQUESTS", 0)
MEDIMGR_WEB_DRAIN_SECONDS = env.seconds("MEDIMGR_WEB_DRAIN_SECONDS", 10.0, least=1.0)
MEDIMGR_LOGIN_MAX_FAILURES = env.number("MEDIMGR_LOGIN_MAX_FAILURES", 10, least=1)
MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS = env.number("MEDIMGR_LOGIN_MAX_FAILURES_PER_ADDRESS", 100, least=1)
MEDIMGR_LOGIN_LOCK_SECONDS = env.seconds("MEDIMGR_LOGIN_LOCK_SECONDS", 900.0, least=1.0)
MEDIMGR_METRICS_TOKEN = env.optional_secret("MEDIMGR_METRICS_TOKEN", least=16)
MEDIMGR_METRICS_NETWORKS = env.networks("MEDIMGR_METRICS_NETWORKS")
MEDIMGR_TOKEN_KEYS = env.signing_keys("MEDIMGR_TOKEN_KEYS")
MEDIMGR_ENCRYPTION_KEYS = env.keys("MEDIMGR_ENCRYPTION_KEYS")
MEDIMGR_REACHABILITY_SECONDS = env.seconds("MEDIMGR_REACHABILITY_SECONDS", 30.0, least=1.0)
MEDIMGR_INVENTORY_SECONDS = env.seconds("MEDIMGR_INVENTORY_SECONDS", 60.0, least=1.0)
MEDIMGR_WORKSTATION_THREADS = env.number("MEDIMGR_WORKSTATION_THREADS", 16, least=1)
MEDIMGR_EVENT_KEEP_HOURS = env.number("MEDIMGR_EVENT_KEEP_HOURS", 24, least=1)
MEDIMGR_OPERATION_KEEP_HOURS = env.number("MEDIMGR_OPERATION_KEEP_HOURS", 1)
MEDIMGR_OPERATION_KEEP_PER_TARGET = env.number("MEDIMGR_OPERATION_KEEP_PER_TARGET", 0)
# The chore keeps what an operator may still ask about; the command's own default is an hour.
MEDIMGR_HISTORY_KEEP_DAYS = env.number("MEDIMGR_HISTORY_KEEP_DAYS", 30, least=1)
MEDIMGR_AUDIT_KEEP_DAYS = env.number("MEDIMGR_AUDIT_KEEP_DAYS", 365, least=1)

# --- database ----------------------------------------------------------------------------------
_default_database = f"sqlite:///{MEDIMGR_DATA_DIR / 'medimgr.sqlite3'}"
_database: dict[str, Any] = env.database("DATABASE_URL", _default_database)
# A connection kept under ASGI is never used again and leaks, so none is kept.
_database["CONN_MAX_AGE"] = 0
if _database.get("ENGINE") == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        "timeout": 20,
        # A transaction that means to write takes the write lock at once, instead of failing half-way.
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["OPTIONS"] = postgresql_options(_database.get("OPTIONS", {}))
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- what is installed -------------------------------------------------------------------------
INSTALLED_APPS = [
    # Daphne's app replaces runserver and does nothing else, but loads Twisted: 0.3 s and 26 MB for each
    # other command. Before staticfiles, as its own check demands.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    "medimgr.apps.AuditedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Wrong logins are counted by it; without its middleware, which breaks under ASGI, and without its admin.
    "axes",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "ninja",
    "medimgr.apps.MedimgrConfig",
    "medimgr.tallies.apps.TalliesConfig",
    "medimgr.audit.apps.AuditConfig",
    "medimgr.accounts.apps.AccountsConfig",
    "medimgr.events.apps.EventsConfig",
    "operations.apps.OperationsConfig",
    "monitoring.apps.MonitoringConfig",
    "workstations.apps.WorkstationsConfig",
]
# Every entry can run async (a test asserts it): one sync-only middleware costs each request a thread.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "medimgr.known_user.KnownUser",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "medimgr.error_pages.SpokenRefusals",
]
ROOT_URLCONF = "medimgr.urls"
ASGI_APPLICATION = "medimgr.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- the front door ----------------------------------------------------------------------------
LOGIN_URL = "login"
AUTHENTICATION_BACKENDS = [
    "medimgr.accounts.login_door.LoginDoor",  # lets through, or not, to the one that looks at the password
    "django.contrib.auth.backends.ModelBackend",
]
AXES_HANDLER = "medimgr.accounts.login_door.CountedLogins"
AXES_CLIENT_IP_CALLABLE = "medimgr.accounts.login_door.client_source"
AXES_COOLOFF_TIME = "medimgr.accounts.login_door.cool_off"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = MEDIMGR_LOGIN_MAX_FAILURES
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True  # who came and went stands in the audit
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SILENCED_SYSTEM_CHECKS = [
    "axes.W002",  # its middleware only makes the answer of a shut door, which each door here does itself
    "security.W021",  # a list of names that browsers ship is for public sites, and hard to get off again
]
CSRF_FAILURE_VIEW = "medimgr.error_pages.csrf_failure"
SESSION_ENGINE = "medimgr.accounts.sessions"
SESSION_COOKIE_AGE = env.number("MEDIMGR_SESSION_MAX_AGE_SECONDS", 1_209_600, least=60)
MEDIMGR_SESSION_IDLE_SECONDS = env.number("MEDIMGR_SESSION_IDLE_SECONDS", 0)
SESSION_COOKIE_HTTPONLY = True
# The page's script reads the CSRF cookie to send it back as a header, so that one is not HttpOnly.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# True wherever people come in by https; a plain-http trial on loopback needs the cookie too.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.flag("DJANGO_SECURE_COOKIES", False)
# Who came by https a known proxy says (medimgr/front_door.py). SECURE_PROXY_SSL_HEADER believes anybody.
SECURE_SSL_REDIRECT = env.flag("DJANGO_SSL_REDIRECT", False)
# Whoever watches over this server asks it past the proxy.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.number("DJANGO_HSTS_SECONDS", 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("DJANGO_HSTS_SUBDOMAINS", False)
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "worker-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# A form or JSON; larger files are for no door of ours. The admin's longest form has about a hundred fields.
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 10

# --- words, times, files -----------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = env.time_zone("TZ", "UTC")
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATIC_ROOT = MEDIMGR_DATA_DIR / "static"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_ALLOW_ALL_ORIGINS = False  # its own way is to let every site read the files
SERVESTATIC_AUTOREFRESH = DEBUG

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "console": {"()": "medimgr.lib.log_lines.ConsoleLine"},
        "json": {"()": "medimgr.lib.log_lines.JsonLine"},
    },
    "filters": {
        "client_faults": {"()": "medimgr.lib.client_faults.ClientFaults"},
        "refusals": {"()": "medimgr.lib.client_faults.Refusals"},
        "redaction": {"()": "medimgr.lib.redact.Redaction"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": env.choice("MEDIMGR_LOG_FORMAT", "console", ("console", "json")),
            "filters": ["redaction"],
        },
    },
    "loggers": {
        # Django's own handlers would write past the redaction.
        "django": {"handlers": [], "level": "INFO"},
        "django.request": {"filters": ["refusals"]},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # Whoever scans a network asks every server by a wrong name, and Django prints a traceback for each.
        "django.security.DisallowedHost": {"filters": ["client_faults"]},
    },
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("MEDIMGR_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
    },
}

env.seal(globals())
