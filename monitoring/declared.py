"""A declaration as people read it: facts in words, by subject, and no value of the environment."""

import re
import shlex
from collections.abc import Iterable
from typing import Any

from medimgr.lib.redact import MASK
from monitoring import per_copy
from monitoring.models import Service
from monitoring.states import HealthKind, ReadyKind, RestartPolicy
from monitoring.wording import duration

Fact = tuple[str, str]

_POLICY_WORDS = {
    RestartPolicy.ALWAYS: "always",
    RestartPolicy.ON_FAILURE: "after a failure",
    RestartPolicy.NEVER: "never",
}
HOOKS = {
    "Before each start": "pre_start_command",
    "Once it is ready": "post_start_command",
    "Before it is stopped": "pre_stop_command",
    "Once it has ended": "post_stop_command",
}
MONOSPACED = frozenset({"Command", "Directory", *HOOKS})
"""Labels whose values are read letter by letter."""


def command_line(service: Service) -> str:
    """Return the command as one would type it into a shell. No query."""
    return _typed(service.command)


def environment(service: Service) -> list[Fact]:
    """Return the variables' names, each with a mask: values hold secrets often enough. No query."""
    return [(str(name), MASK) for name in sorted(service.env)]


def subjects(service: Service) -> list[tuple[str, list[Fact]]]:
    """Return the declaration in words, by subject, without what is left at nothing. No query."""
    told = [
        ("Program", _program(service)),
        ("Start", _start(service)),
        ("Restart", _restart(service)),
        ("Stop and hooks", _stop(service)),
        ("Health", _health(service)),
        ("Limits", _limits(service)),
        ("Logs", _logs(service)),
    ]
    kept = ((subject, [(label, words) for label, words in facts if words]) for subject, facts in told)
    return [(subject, facts) for subject, facts in kept if facts]


def limits(service: Service) -> dict[str, Any]:
    """Return, as the API shows it, what it may use before it is replaced; 0 for no limit. No query."""
    return {
        "memory_mb": service.max_memory_mb,
        "cpu_percent": service.max_cpu_percent,
        "cpu_seconds": service.max_cpu_seconds,
        "age_seconds": service.max_age_seconds,
        "requests": service.max_requests,
        "min_ready": service.min_ready,
    }


def _typed(command: Any) -> str:
    return shlex.join(str(part) for part in command or [])


def _address(url: str) -> str:
    """Return a URL without the password that may be in it."""
    return re.sub(r"(://[^/@\s:]*:)[^/@\s]*@", rf"\1{MASK}@", url)


def _program(service: Service) -> Iterable[Fact]:
    yield "Command", command_line(service)
    yield "Directory", service.cwd
    yield (
        "Account",
        " ".join(filter(None, [service.user, service.user_group and f"group {service.user_group}"])),
    )
    yield "Umask", service.umask
    yield "Nice", "" if service.nice is None else str(service.nice)
    yield (
        "Resource limits",
        ", ".join(_resource(name, limit) for name, limit in sorted(service.rlimits.items())),
    )
    yield "Ports", ", ".join(str(port) for port in service.ports)
    if service.instance:
        yield "Copies", f"copy {service.instance + 1} of {service.original_key}"
    elif service.instances > 1:
        step = f", each with ports {service.port_step} higher" if service.ports else ""
        last = per_copy.key_of(service.key, service.instances - 1)
        yield "Copies", f"{service.instances}, up to {last}{step}"


def _resource(name: str, limit: Any) -> str:
    soft, hard = limit if isinstance(limit, list) else (limit, limit)
    return f"{name} {soft}" if soft == hard else f"{name} {soft}, at most {hard}"


def _start(service: Service) -> Iterable[Fact]:
    if service.schedule:
        yield "Schedule", f"{service.schedule} ({service.schedule_time_zone or 'UTC'})"
    yield "Starts", _starts(service)
    yield "Ready", _ready(service)


def _starts(service: Service) -> str:
    if service.schedule:
        return "at its times" if service.autostart else "at its times, once somebody has started it"
    return "with the supervisor" if service.autostart else "on request only"


def _ready(service: Service) -> str:
    seconds = duration(service.start_timeout_seconds)
    asked = {
        ReadyKind.TCP: f"when port {service.ready_port} accepts connections",
        ReadyKind.HTTP: f"when {_address(service.ready_url)} answers",
        ReadyKind.LOG: f"when a line of its log matches {service.ready_pattern}",
        ReadyKind.NOTIFY: "when it sends READY=1 to its NOTIFY_SOCKET",
    }.get(ReadyKind(service.ready_kind), "")
    if asked:
        return f"{asked}, {seconds} at most"
    if service.health_kind != HealthKind.NONE:
        return f"when its health check succeeds, {seconds} at most"
    return f"once up for {duration(service.start_seconds)}"


def _restart(service: Service) -> Iterable[Fact]:
    policy = RestartPolicy(service.restart_policy)
    words = _POLICY_WORDS[policy]
    if policy is not RestartPolicy.NEVER:
        base, cap = duration(service.backoff_base_seconds), duration(service.backoff_cap_seconds)
        words += (
            f", waiting {base} to {cap} between tries; up for {duration(service.stable_seconds)} is stable"
        )
    yield "Restarts", words
    if service.max_failures:
        window = duration(service.failure_window_seconds)
        yield "Auto-recovery", f"{service.max_failures} failures in {window} turn it off"
    good = [f"exit code {code}" for code in service.success_exit_codes if code] + list(
        service.success_signals
    )
    yield "No failure", ", ".join(good)
    if service.fatal_exit_codes:
        codes = ", ".join(str(code) for code in service.fatal_exit_codes)
        yield "Not restarted", f"after exit code {codes}"
    if service.fatal_retry_seconds:
        yield "Given up", f"tried once more after {duration(service.fatal_retry_seconds)}"


def _stop(service: Service) -> Iterable[Fact]:
    request = ""
    if service.stop_url or service.stop_command:
        how = f"POST {_address(service.stop_url)}" if service.stop_url else _typed(service.stop_command)
        request = f"{how}; after {duration(service.stop_request_seconds)} "
    killed = duration(service.stop_timeout_seconds)
    yield "Stop", f"{request}{service.stop_signal}, killed after {killed}"
    hooks = [(label, _typed(getattr(service, field))) for label, field in HOOKS.items()]
    yield from hooks
    if any(command for _, command in hooks):
        yield "Each of them", f"{duration(service.hook_timeout_seconds)} at most"


def _health(service: Service) -> Iterable[Fact]:
    kind = HealthKind(service.health_kind)
    if kind is HealthKind.NONE:
        yield "Health check", "none"
        return
    silence = duration(service.health_silence_seconds)
    asked = {
        HealthKind.HTTP: _address(service.health_url),
        HealthKind.TCP: f"TCP port {service.health_port}",
        HealthKind.EXEC: _typed(service.health_command),
        HealthKind.LOG: f"its log, not silent for {silence}",
        HealthKind.NOTIFY: f"WATCHDOG=1 from it within {silence}",
    }[kind]
    if kind is HealthKind.HTTP and service.health_body:
        asked += f", holding “{service.health_body}”"
    yield "Health check", asked
    every, most = duration(service.health_interval_seconds), duration(service.health_timeout_seconds)
    yield "Asked", f"every {every}, {most} at most"
    then = " and restart it" if service.health_restart else ""
    yield "Unhealthy", f"after {_times(service.health_failures, 'failure')} in a row{then}"
    if service.health_successes > 1:
        yield "Healthy again", f"after {_times(service.health_successes, 'success', 'successes')} in a row"


def _limits(service: Service) -> Iterable[Fact]:
    reasons = []
    if service.max_memory_mb:
        reasons.append(f"above {service.max_memory_mb} MB")
    if service.max_cpu_percent:
        over = duration(service.max_cpu_seconds)
        reasons.append(f"above {service.max_cpu_percent:g} % CPU over {over}")
    if service.max_age_seconds:
        reasons.append(f"at an age of {duration(service.max_age_seconds)}, give or take a tenth")
    if service.max_requests:
        reasons.append(f"after {service.max_requests} requests")
    yield "Replaced", "; ".join(reasons)
    if service.min_ready:
        others = f"{_times(service.min_ready, 'other')} of {service.group}"
        copies = f"{service.min_ready} of its other copies"
        yield "Only while", f"at least {others if service.group else copies} ready"


def _logs(service: Service) -> Iterable[Fact]:
    packed = "compressed " if service.log_compress else ""
    yield "Log", f"{service.log_max_mb} MB a file, {service.log_keep} {packed}older ones kept"
    yield "Standard error", "in a log of its own" if service.log_stderr_apart else ""


def _times(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
