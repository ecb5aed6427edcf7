"""What the supervisor has to know about one service, as plain immutable data without the ORM."""

from dataclasses import dataclass, field
from pathlib import Path

from monitoring.states import Condition, HealthKind, Hook, ReadyKind, RestartPolicy


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
    body: str = ""
    """For http: a text that the answer has to hold."""
    port: int = 0
    """For tcp: the port on 127.0.0.1 that has to accept."""
    command: tuple[str, ...] = ()
    """For exec: it has to end with 0."""
    silence: float = 60.0
    """For log and notify: unhealthy once nothing has come for so long."""
    interval: float = 5.0
    timeout: float = 2.0
    failures: int = 3
    """So many failures in a row make a RUNNING service unhealthy."""
    successes: int = 1
    restart: bool = True
    """Whether an unhealthy service is restarted."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What tells that a service which is starting has become ready."""

    kind: ReadyKind = ReadyKind.AUTO
    url: str = ""
    port: int = 0
    pattern: str = ""
    """For log: a regular expression that a line of this run has to match."""


@dataclass(frozen=True, slots=True)
class StopRequest:
    """How a service is asked to end before it gets a signal: by POST, by a command, or (both empty) not."""

    url: str = ""
    command: tuple[str, ...] = ()
    seconds: float = 5.0
    """So long after it was asked it gets the signal."""

    def __bool__(self) -> bool:
        """Return whether it is asked at all."""
        return bool(self.url or self.command)


@dataclass(frozen=True, slots=True)
class ResourceLimit:
    """One limit of the system; None is unlimited."""

    name: str
    """As in prlimit(1): ``nofile``."""
    soft: int | None
    hard: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use before a new process takes its place. 0: no limit."""

    memory_bytes: int = 0
    """Of the whole tree, as PSS."""
    cpu_percent: float = 0.0
    """100 is one core, averaged over ``cpu_seconds``."""
    cpu_seconds: float = 60.0
    age_seconds: float = 0.0
    requests: int = 0
    min_ready: int = 0
    """It is replaced only while so many others of its group are RUNNING and not unhealthy."""
    some: bool = field(init=False, repr=False, compare=False)
    """Whether there is any limit. Asked of every service every second, so it is worked out once."""

    def __post_init__(self) -> None:
        some = bool(self.memory_bytes or self.cpu_percent or self.age_seconds or self.requests)
        object.__setattr__(self, "some", some)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service's declaration. Durations are seconds. Two equal specs need no restart."""

    key: str
    name: str
    command: tuple[str, ...]
    group: str = ""
    cwd: str = ""
    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    user_group: str = ""
    umask: int | None = None
    nice: int | None = None
    rlimits: tuple[ResourceLimit, ...] = ()
    instance: int = 0
    """Which of its copies this is; the process finds it as MEDIMGR_INSTANCE."""
    autostart: bool = True
    priority: int = 100
    """Among services that may start at once, the smaller starts first and stops last."""
    needs: tuple[Needs, ...] = ()
    schedule: str = ""
    """A cron expression: started at these times and not otherwise."""
    schedule_time_zone: str = ""
    """UTC where empty."""
    start_seconds: float = 1.0
    """Where nothing tells that it is ready: up this long means RUNNING."""
    start_timeout: float = 30.0
    """Where something tells that it is ready: not ready by then is a failed start."""
    readiness: Readiness = field(default_factory=Readiness)
    restart: RestartPolicy = RestartPolicy.ALWAYS
    success_codes: frozenset[int] = frozenset({0})
    success_signals: frozenset[str] = frozenset()
    fatal_codes: frozenset[int] = frozenset()
    """Exit codes after which it is given up (FATAL)."""
    fatal_retry: float = 0.0
    """So long after it was given up it is tried once more; 0: never."""
    backoff_base: float = 0.5
    backoff_cap: float = 60.0
    stable_seconds: float = 60.0
    """Up this long, and the failures before are forgotten."""
    max_failures: int = 0
    """So many failures within ``failure_window`` turn auto-recovery off; 0: never."""
    failure_window: float = 600.0
    stop_request: StopRequest = field(default_factory=StopRequest)
    stop_signal: str = "SIGTERM"
    stop_timeout: float = 10.0
    hooks: tuple[tuple[Hook, tuple[str, ...]], ...] = ()
    hook_timeout: float = 30.0
    health: HealthCheck = field(default_factory=HealthCheck)
    limits: Limits = field(default_factory=Limits)
    ports: tuple[int, ...] = ()
    log_path: Path = Path("service.log")
    stderr_log: Path | None = None
    """Where standard error goes; None: to ``log_path`` too."""
    log_max_bytes: int = 50 * 1024 * 1024
    log_keep: int = 5
    log_compress: bool = True
    builtin: bool = False

    @property
    def stderr_path(self) -> Path:
        """Return the file that standard error goes to."""
        return self.stderr_log or self.log_path

    def hook(self, hook: Hook) -> tuple[str, ...]:
        """Return the command of a hook, empty where there is none."""
        return next((command for name, command in self.hooks if name is hook), ())

    def environment(self) -> dict[str, str]:
        """Return the declared environment variables."""
        return dict(self.env)

    def started_with(self) -> tuple[object, ...]:
        """Return all that a running process cannot take over without a restart."""
        return (
            self.command,
            self.cwd,
            self.env,
            self.user,
            self.user_group,
            self.umask,
            self.nice,
            self.rlimits,
            self.instance,
            self.stderr_log is not None,
        )

    def needs_restart(self, other: "ServiceSpec") -> bool:
        """Return whether a process started by ``other`` differs from one that this spec would start."""
        return self.started_with() != other.started_with()
