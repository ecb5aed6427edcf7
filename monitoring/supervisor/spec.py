"""What the supervisor has to know about one service, as plain immutable data without the ORM."""

from dataclasses import dataclass, field
from pathlib import Path

from monitoring.states import Condition, HealthKind, RestartPolicy


@dataclass(frozen=True, slots=True)
class Needs:
    """A dependency: ``service`` (its key) has to meet ``condition`` first."""

    service: str
    condition: Condition = Condition.STARTED


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How to probe a service. Times are seconds; the thresholds count consecutive results."""

    kind: HealthKind = HealthKind.NONE
    url: str = ""
    """For http: the whole URL; a status from 200 to 399 is a success."""
    port: int = 0
    """For tcp: the port on 127.0.0.1 that has to accept."""
    interval: float = 5.0
    timeout: float = 2.0
    failures: int = 3
    """So many failures in a row make a RUNNING service unhealthy."""
    successes: int = 1
    restart: bool = True
    """Whether an unhealthy service is restarted."""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service's declaration. Durations are seconds. Two equal specs need no restart."""

    key: str
    name: str
    command: tuple[str, ...]
    cwd: str = ""
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    umask: int | None = None
    autostart: bool = True
    priority: int = 100
    """Among services that may start at once, the smaller starts first and stops last."""
    needs: tuple[Needs, ...] = ()
    start_seconds: float = 1.0
    """Without a health check: up this long means RUNNING."""
    start_timeout: float = 30.0
    """With a health check: not healthy by then is a failed start."""
    restart: RestartPolicy = RestartPolicy.ALWAYS
    success_codes: frozenset[int] = frozenset({0})
    backoff_base: float = 0.5
    backoff_cap: float = 60.0
    stable_seconds: float = 60.0
    """Up this long, and the failures before are forgotten."""
    max_failures: int = 0
    """So many failures within ``failure_window`` turn auto-recovery off; 0: never."""
    failure_window: float = 600.0
    stop_signal: str = "SIGTERM"
    stop_timeout: float = 10.0
    health: HealthCheck = field(default_factory=HealthCheck)
    ports: tuple[int, ...] = ()
    log_path: Path = Path("service.log")
    log_max_bytes: int = 50 * 1024 * 1024
    log_keep: int = 5
    builtin: bool = False

    def environment(self) -> dict[str, str]:
        """Return the declared environment variables."""
        return dict(self.env)

    def needs_restart(self, other: "ServiceSpec") -> bool:
        """Return whether a process started by ``other`` differs from one that this spec would start."""
        return (self.command, self.cwd, self.env, self.user, self.umask) != (
            other.command,
            other.cwd,
            other.env,
            other.user,
            other.umask,
        )
