"""A declaration as people read it: facts in words, and no value of the environment."""

import shlex

from monitoring.models import Service
from monitoring.states import HealthKind, RestartPolicy

MASK = "••••••"

_POLICY_WORDS = {
    RestartPolicy.ALWAYS: "always",
    RestartPolicy.ON_FAILURE: "after a failure",
    RestartPolicy.NEVER: "never",
}


def command_line(service: Service) -> str:
    """Return the command as one would type it into a shell. No query."""
    return shlex.join(str(part) for part in service.command)


def environment(service: Service) -> list[tuple[str, str]]:
    """Return the variables' names, each with a mask: values hold secrets often enough. No query."""
    return [(str(name), MASK) for name in sorted(service.env)]


def facts(service: Service) -> list[tuple[str, str]]:
    """Return the declaration in words, as label and value, without what is left at nothing. No query."""
    told = [
        ("Command", command_line(service)),
        ("Directory", service.cwd),
        ("User", service.user),
        ("Umask", service.umask),
        ("Starts", "with the supervisor" if service.autostart else "on request only"),
        ("Restarts", _restarts(service)),
        ("Stop", f"{service.stop_signal}, killed after {service.stop_timeout_seconds:g} s"),
        ("Health check", _health(service)),
        ("Log", f"{service.log_max_mb} MB a file, {service.log_keep} older ones kept"),
    ]
    return [(label, value) for label, value in told if value]


def _restarts(service: Service) -> str:
    words = _POLICY_WORDS[RestartPolicy(service.restart_policy)]
    if service.restart_policy == RestartPolicy.NEVER:
        return words
    words += f", waiting {service.backoff_base_seconds:g} to {service.backoff_cap_seconds:g} s between tries"
    if service.max_failures:
        window = f"{service.failure_window_seconds:g} s"
        words += f"; {service.max_failures} failures in {window} turn auto-recovery off"
    return words


def _health(service: Service) -> str:
    if service.health_kind == HealthKind.NONE:
        return f"none; up for {service.start_seconds:g} s counts as running"
    asked = (
        service.health_url if service.health_kind == HealthKind.HTTP else f"TCP port {service.health_port}"
    )
    words = (
        f"{asked} every {service.health_interval_seconds:g} s, {service.health_timeout_seconds:g} s at most; "
        f"{service.health_failures} failures count as unhealthy"
    )
    return words + (" and restart it" if service.health_restart else "")
