"""What of a PM2 ecosystem file has no counterpart: why, and what to do instead."""

import difflib
from typing import Any

ALIASES = {
    "exec": "script",
    "interpreter": "exec_interpreter",
    "interpreterArgs": "node_args",
    "interpreter_args": "node_args",
    "out": "out_file",
    "output": "out_file",
    "out_log": "out_file",
    "error": "error_file",
    "err": "error_file",
    "err_file": "error_file",
    "err_log": "error_file",
    "log": "log_file",
    "pid": "pid_file",
    "cron": "cron_restart",
    "combine_logs": "merge_logs",
    "user": "uid",
    "maxMemoryRestart": "max_memory_restart",
}
"""Other names that PM2 takes for the same setting."""
_LOG = (
    "Its output goes to a log of medimgr's own, logs/KEY.log in the data directory: see services tail, the "
    "page, or the API."
)
_WATCH = "Files are not watched. Restart it after a change: services restart KEY."
_NODE_AGENT = "It is about PM2's own agent inside Node, which is not there."
_OF_PM2 = "It is about PM2 itself, which medimgr's supervisor replaces."
NOTES = {
    "out_file": _LOG,
    "error_file": _LOG,
    "log_file": _LOG,
    "disable_logs": "Output is always kept; log_max_mb and log_keep bound it.",
    "log_type": "Lines are kept as the program writes them. Let it write JSON.",
    "log_date_format": "Lines are kept as the program writes them. Let it write the time.",
    "time": "Lines are kept as the program writes them. Let it write the time.",
    "pid_file": "There are no pid files; the page and services status show the pid.",
    "watch": _WATCH,
    "watch_delay": _WATCH,
    "ignore_watch": _WATCH,
    "watch_options": _WATCH,
    "cron_restart": (
        "A service is not restarted by the clock. Declare max_age_seconds, which replaces a process that is "
        "too old, or ask for services restart by cron."
    ),
    "shutdown_with_message": (
        "There is no IPC channel for the message. Let the program end at a signal, or declare stop_command "
        "or stop_url."
    ),
    "listen_timeout": 'Nothing waits for listen(). Declare ready_kind = "tcp" with ready_port.',
    "install_url": _OF_PM2,
    "name_prefix": _OF_PM2,
    "post_update": "Nothing is deployed. Let the deployment run these commands.",
    "execute_command": _OF_PM2,
    "force": _OF_PM2,
    "append_env_to_name": "A service keeps its name in every environment.",
    "write": _OF_PM2,
    "vizion": _OF_PM2,
    "username": _OF_PM2,
    "kill_retry_time": "A process that is still there after its stop timeout is killed, again and again.",
    "treekill": "The whole process tree is always asked to end, and killed where it does not.",
    "windowsHide": "It has a meaning on Windows alone.",
    "filter_env": "A service finds only the variables under env, and PATH, HOME and the like.",
    "source_map_support": "Add --enable-source-maps to node_args.",
    "disable_source_map_support": "Node has no source maps unless --enable-source-maps is given.",
    "trace": _NODE_AGENT,
    "disable_trace": _NODE_AGENT,
    "v8": _NODE_AGENT,
    "event_loop_inspector": _NODE_AGENT,
    "deep_monitoring": _NODE_AGENT,
    "pmx": _NODE_AGENT,
    "automation": _NODE_AGENT,
    "io": _NODE_AGENT,
}
"""By setting of an app."""
OFF: dict[str, tuple[Any, ...]] = {
    "watch": (False, [], None),
    "disable_logs": (False,),
    "time": (False,),
    "shutdown_with_message": (False,),
    "force": (False,),
    "treekill": (True,),
    "windowsHide": (True, False),
    "source_map_support": (False,),
    "disable_source_map_support": (True, False),
    "trace": (False,),
    "disable_trace": (True,),
    "v8": (False,),
    "event_loop_inspector": (False,),
    "deep_monitoring": (False,),
    "pmx": (False,),
    "automation": (False,),
    "append_env_to_name": (False,),
    "filter_env": (False, []),
    "vizion": (True, False),
    "log_file": (False,),
}
"""Values that ask for nothing, so that nothing is lost."""
MAPPED = [
    "script",
    "name",
    "namespace",
    "cwd",
    "args",
    "exec_interpreter",
    "node_args",
    "env",
    "max_memory_restart",
    "restart_delay",
    "exp_backoff_restart_delay",
    "wait_ready",
    "instances",
    "kill_timeout",
    "merge_logs",
    "autorestart",
    "autostart",
    "min_uptime",
    "max_restarts",
    "exec_mode",
    "increment_var",
    "instance_var",
    "port",
    "uid",
    "gid",
    "stop_exit_codes",
]
"""What is taken over, sometimes with a word about it."""
TOP_LEVEL = {
    "deploy": "Nothing is deployed by medimgr. Keep it for pm2 deploy, or use your own tool.",
    "pm2": _OF_PM2,
    "module": _OF_PM2,
}


def unknown_setting(name: str) -> str:
    """Return what to say about a setting that nobody knows. Pure."""
    near = difflib.get_close_matches(name, [*MAPPED, *NOTES, *ALIASES], n=1)
    return f"PM2 knows no such setting; it is not taken over.{f' Is {near[0]} meant?' if near else ''}"
