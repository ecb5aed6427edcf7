"""What the rules look at: the fields of a declaration, whatever is in them."""

from typing import Any, Protocol


def default_success_codes() -> list[int]:
    """Return the exit codes that mean success where nothing else is declared."""
    return [0]


class Declared(Protocol):
    """The fields that can be wrong in ways that a field's type does not show."""

    command: Any
    cwd: Any
    env: Any
    user: Any
    user_group: Any
    umask: Any
    rlimits: Any
    instances: Any
    instance: Any
    port_step: Any
    ports: Any
    group: Any

    schedule: Any
    schedule_time_zone: Any
    ready_kind: Any
    ready_url: Any
    ready_port: Any
    ready_pattern: Any

    success_exit_codes: Any
    success_signals: Any
    fatal_exit_codes: Any

    stop_url: Any
    stop_command: Any
    stop_signal: Any
    pre_start_command: Any
    post_start_command: Any
    pre_stop_command: Any
    post_stop_command: Any

    health_kind: Any
    health_url: Any
    health_port: Any
    health_command: Any

    max_age_seconds: Any
    min_ready: Any
