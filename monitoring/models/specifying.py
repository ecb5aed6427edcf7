"""Turns a declared service into the plain data that the supervisor works with."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from monitoring import per_copy
from monitoring.states import Condition, HealthKind, Hook, ReadyKind, RestartPolicy
from monitoring.supervisor.spec import (
    HealthCheck,
    Limits,
    Needs,
    Readiness,
    ResourceLimit,
    ServiceSpec,
    StopRequest,
)

if TYPE_CHECKING:
    from monitoring.models.service import Service

_MB = 1024 * 1024
_Fill = Callable[[Any], Any]


def spec_of(service: "Service") -> ServiceSpec:
    """Return ``service`` as the supervisor's plain data. Uses ``dependencies`` (prefetch them)."""
    fill = _filling(service)
    return ServiceSpec(
        key=service.key,
        name=service.name,
        group=service.group,
        command=tuple(fill(service.command)),
        cwd=service.cwd,
        env=tuple(sorted((str(k), str(v)) for k, v in fill(service.env).items())),
        user=service.user,
        user_group=service.user_group,
        umask=int(service.umask, 8) if service.umask else None,
        nice=service.nice,
        rlimits=_resource_limits(service),
        instance=service.instance,
        autostart=service.autostart,
        priority=service.priority,
        needs=tuple(
            sorted(
                (Needs(d.needs.key, Condition(d.condition)) for d in service.dependencies.all()),
                key=lambda needs: needs.service,
            )
        ),
        schedule=service.schedule,
        schedule_time_zone=service.schedule_time_zone,
        start_seconds=service.start_seconds,
        start_timeout=service.start_timeout_seconds,
        readiness=Readiness(
            kind=ReadyKind(service.ready_kind),
            url=fill(service.ready_url),
            port=service.ready_port or 0,
            pattern=service.ready_pattern,
        ),
        restart=RestartPolicy(service.restart_policy),
        success_codes=frozenset(service.success_exit_codes),
        success_signals=frozenset(service.success_signals),
        fatal_codes=frozenset(service.fatal_exit_codes),
        fatal_retry=service.fatal_retry_seconds,
        backoff_base=service.backoff_base_seconds,
        backoff_cap=service.backoff_cap_seconds,
        stable_seconds=service.stable_seconds,
        max_failures=service.max_failures,
        failure_window=service.failure_window_seconds,
        stop_request=StopRequest(
            url=fill(service.stop_url),
            command=tuple(fill(service.stop_command)),
            seconds=service.stop_request_seconds,
        ),
        stop_signal=service.stop_signal,
        stop_timeout=service.stop_timeout_seconds,
        hooks=_hooks(service, fill),
        hook_timeout=service.hook_timeout_seconds,
        health=_health(service, fill),
        limits=_limits(service),
        ports=tuple(service.ports),
        log_path=service.log_path,
        stderr_log=service.stderr_path if service.log_stderr_apart else None,
        log_max_bytes=service.log_max_mb * _MB,
        log_keep=service.log_keep,
        log_compress=service.log_compress,
        builtin=service.builtin,
    )


def _filling(service: "Service") -> _Fill:
    """Return what replaces ``{instance}`` and ``{port}``; nothing does where there is one copy only."""
    if service.instances <= 1 and not service.instance:
        return lambda value: value
    return lambda value: per_copy.filled(value, service.instance, service.ports)


def _resource_limits(service: "Service") -> tuple[ResourceLimit, ...]:
    """Return the limits by name; one number is soft and hard at once, ``unlimited`` is None."""
    found = []
    for name, value in sorted(service.rlimits.items()):
        soft, hard = value if isinstance(value, list) else (value, value)
        found.append(ResourceLimit(name, _amount(soft), _amount(hard)))
    return tuple(found)


def _amount(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _hooks(service: "Service", fill: _Fill) -> tuple[tuple[Hook, tuple[str, ...]], ...]:
    commands = {
        Hook.PRE_START: service.pre_start_command,
        Hook.POST_START: service.post_start_command,
        Hook.PRE_STOP: service.pre_stop_command,
        Hook.POST_STOP: service.post_stop_command,
    }
    return tuple((hook, tuple(fill(command))) for hook, command in commands.items() if command)


def _health(service: "Service", fill: _Fill) -> HealthCheck:
    return HealthCheck(
        kind=HealthKind(service.health_kind),
        url=fill(service.health_url),
        body=service.health_body,
        port=service.health_port or 0,
        command=tuple(fill(service.health_command)),
        silence=service.health_silence_seconds,
        interval=service.health_interval_seconds,
        timeout=service.health_timeout_seconds,
        failures=service.health_failures,
        successes=service.health_successes,
        restart=service.health_restart,
    )


def _limits(service: "Service") -> Limits:
    return Limits(
        memory_bytes=service.max_memory_mb * _MB,
        cpu_percent=service.max_cpu_percent,
        cpu_seconds=service.max_cpu_seconds,
        age_seconds=service.max_age_seconds,
        requests=service.max_requests,
        min_ready=service.min_ready,
    )
