"""The fields of a declaration in the admin, by subject. What is rarely needed is folded up."""

from typing import Any

Fieldset = tuple[str | None, dict[str, Any]]

_FOLDED = ("collapse",)


def fieldsets(environment: str) -> list[Fieldset]:
    """Return the groups; ``environment`` is the field for the variables: to change, or masked."""
    return [
        (None, {"fields": (("key", "name"), "description", ("node", "group"))}),
        ("Program", {"fields": ("command", "cwd", environment, "ports", ("user", "user_group", "umask"))}),
        (
            "Copies, priority of the processor, limits of the system",
            {"classes": _FOLDED, "fields": (("instances", "port_step"), "nice", "rlimits")},
        ),
        (
            "Start",
            {
                "fields": (
                    ("autostart", "priority"),
                    ("schedule", "schedule_time_zone"),
                    ("start_seconds", "start_timeout_seconds"),
                )
            },
        ),
        (
            "Readiness",
            {
                "classes": _FOLDED,
                "description": "What tells that it has started. Left at auto, the health check does.",
                "fields": (("ready_kind", "ready_port"), "ready_url", "ready_pattern"),
            },
        ),
        (
            "Restart",
            {
                "fields": (
                    ("restart_policy", "max_failures", "failure_window_seconds"),
                    ("backoff_base_seconds", "backoff_cap_seconds", "stable_seconds"),
                )
            },
        ),
        (
            "Exit codes and signals",
            {
                "classes": _FOLDED,
                "fields": (
                    ("success_exit_codes", "success_signals"),
                    ("fatal_exit_codes", "fatal_retry_seconds"),
                ),
            },
        ),
        ("Stop", {"fields": (("stop_signal", "stop_timeout_seconds"), "warning")}),
        (
            "Asking it to end, and commands that go with its life",
            {
                "classes": _FOLDED,
                "fields": (
                    "stop_url",
                    "stop_command",
                    "stop_request_seconds",
                    "pre_start_command",
                    "post_start_command",
                    "pre_stop_command",
                    "post_stop_command",
                    "hook_timeout_seconds",
                ),
            },
        ),
        (
            "Health",
            {
                "fields": (
                    ("health_kind", "health_port"),
                    "health_url",
                    "health_body",
                    "health_command",
                    "health_silence_seconds",
                    ("health_interval_seconds", "health_timeout_seconds"),
                    ("health_failures", "health_successes"),
                    "health_restart",
                )
            },
        ),
        (
            "Limits: when a new process takes its place",
            {
                "classes": _FOLDED,
                "fields": (
                    "max_memory_mb",
                    ("max_cpu_percent", "max_cpu_seconds"),
                    "max_age_seconds",
                    "max_requests",
                    "min_ready",
                ),
            },
        ),
        (
            "Logs",
            {"classes": _FOLDED, "fields": (("log_max_mb", "log_keep"), "log_compress", "log_stderr_apart")},
        ),
    ]
