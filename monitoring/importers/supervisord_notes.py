"""What of a supervisord.conf has no counterpart: why, and what to do instead."""

import difflib

_LOG_FILE = (
    "Its output goes to a log of medimgr's own, logs/KEY.log in the data directory: see services tail, the "
    "page, or the API."
)
_ONE_LIMIT = "One limit holds for both logs of a service; that of standard output counts."
_SYSLOG = "Nothing is sent to syslog. Let the program send it, or read the log."
_EVENTS = "There are no Supervisor events. The API's stream /events/ tells of each change."

PROGRAM_NOTES = {
    "stdout_logfile": _LOG_FILE,
    "stderr_logfile": _LOG_FILE,
    "stderr_logfile_maxbytes": _ONE_LIMIT,
    "stderr_logfile_backups": _ONE_LIMIT,
    "stdout_capture_maxbytes": _EVENTS,
    "stderr_capture_maxbytes": _EVENTS,
    "stdout_events_enabled": _EVENTS,
    "stderr_events_enabled": _EVENTS,
    "stdout_syslog": _SYSLOG,
    "stderr_syslog": _SYSLOG,
    "serverurl": "There is no SUPERVISOR_SERVER_URL. Let the program use the API, or leave it out.",
}
"""By option of [program:x]."""
_OFF = frozenset({"false", "no", "off", "0", ""})
PROGRAM_OFF = {
    "stdout_capture_maxbytes": _OFF,
    "stderr_capture_maxbytes": _OFF,
    "stdout_events_enabled": _OFF,
    "stderr_events_enabled": _OFF,
    "stdout_syslog": _OFF,
    "stderr_syslog": _OFF,
    "serverurl": frozenset({"auto"}),
    "stdout_logfile": frozenset({"auto"}),
    "stderr_logfile": frozenset({"auto"}),
}
"""Values that ask for nothing, so that nothing is lost."""
PROGRAM_MAPPED = [
    "command",
    "process_name",
    "numprocs",
    "numprocs_start",
    "priority",
    "autostart",
    "startsecs",
    "startretries",
    "autorestart",
    "exitcodes",
    "stopsignal",
    "stopwaitsecs",
    "stopasgroup",
    "killasgroup",
    "user",
    "redirect_stderr",
    "stdout_logfile_maxbytes",
    "stdout_logfile_backups",
    "environment",
    "directory",
    "umask",
]

_OF_SUPERVISORD = "It is about supervisord itself, which medimgr's supervisor replaces."
SUPERVISORD_NOTES = dict.fromkeys(
    [
        "logfile",
        "logfile_maxbytes",
        "logfile_backups",
        "loglevel",
        "pidfile",
        "nodaemon",
        "silent",
        "nocleanup",
        "childlogdir",
        "strip_ansi",
        "identifier",
    ],
    _OF_SUPERVISORD,
) | {
    "minfds": "medimgr raises its own limit. A service's is declared: rlimits = { nofile = 4096 }.",
    "minprocs": "A service's limit is declared: rlimits = { nproc = 512 }.",
}
"""By option of [supervisord]; its environment, user, umask and directory are those of each service."""
SUPERVISORD_MAPPED = ("environment", "user", "umask", "directory")

SECTION_NOTES = {
    "unix_http_server": "medimgr is reached by its page, its API and manage.py services, with accounts.",
    "inet_http_server": "medimgr is reached by its page and its API: manage.py up --bind, with accounts.",
    "supervisorctl": "manage.py services does its work.",
    "rpcinterface": "There is no XML-RPC. See the JSON API at /api/docs.",
    "ctlplugin": "There are no plug-ins; see manage.py services and the JSON API.",
    "eventlistener": (
        "A listener speaks Supervisor's event protocol, which is not there. Let it read the API's stream "
        "/events/ and declare it as a service."
    ),
    "fcgi-program": (
        "No FastCGI socket is opened for a service. Let the program listen itself (php-fpm, spawn-fcgi) and "
        "declare that."
    ),
}
"""By what a section's name begins with."""


def unknown_option(name: str, known: tuple[str, ...] = ()) -> str:
    """Return what to say about an option that nobody knows. Pure."""
    near = difflib.get_close_matches(name, [*PROGRAM_MAPPED, *PROGRAM_NOTES, *known], n=1)
    return f"Supervisor knows no such option; it is not taken over.{f' Is {near[0]} meant?' if near else ''}"
