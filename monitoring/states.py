"""The words for what a service is doing. Imports the standard library alone.

Four axes that are never mixed: state (what the process does), intent (what the operator wants),
health (what the probes say), reason (why it is where it is). The names of the states are Supervisor's.
"""

from enum import StrEnum


class State(StrEnum):
    """What a service's process is doing."""

    STOPPED = "STOPPED"
    """No process, on request."""
    WAITING = "WAITING"
    """Wanted up; waits for its dependencies or for a place to start."""
    STARTING = "STARTING"
    """A process runs, but has not proved itself yet."""
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    """Asked to end; some process of its tree is still there."""
    BACKOFF = "BACKOFF"
    """It failed; the next try waits for a timer."""
    EXITED = "EXITED"
    """It ended by itself, and the restart policy leaves it so."""
    FATAL = "FATAL"
    """It cannot be started, and trying again would not help."""
    UNKNOWN = "UNKNOWN"
    """No supervisor reports about it."""


LIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING})
"""States in which a process exists."""


class Intent(StrEnum):
    """What the operator wants. Stored, so that it survives a reboot."""

    UP = "up"
    DOWN = "down"


class Health(StrEnum):
    """What the probes say."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Reason(StrEnum):
    """Why a service is where it is."""

    NONE = ""
    OPERATOR = "operator"
    BOOT = "boot"
    DEPENDENCY = "dependency"
    CRASH = "crash"
    COMPLETED = "completed"
    START_TIMEOUT = "start-timeout"
    STOP_TIMEOUT = "stop-timeout"
    UNHEALTHY = "unhealthy"
    HUNG = "hung"
    MEMORY = "memory"
    CPU = "cpu"
    MAX_AGE = "max-age"
    MAX_REQUESTS = "max-requests"
    SCHEDULE = "schedule"
    HOOK_FAILED = "hook-failed"
    FATAL_EXIT = "fatal-exit"
    CONFIG = "config"
    DELETED = "deleted"
    SPAWN_ERROR = "spawn-error"
    PORT_BUSY = "port-busy"
    ADOPTED = "adopted"
    SHUTDOWN = "shutdown"
    AUTO_RECOVERY_OFF = "auto-recovery-off"


class RestartPolicy(StrEnum):
    """Which exits are followed by a restart."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Condition(StrEnum):
    """What a service waits for in another one."""

    STARTED = "started"
    """It is RUNNING."""
    HEALTHY = "healthy"
    """It is RUNNING and its probe says healthy."""
    COMPLETED = "completed"
    """Its last run ended by itself, with success."""


class HealthKind(StrEnum):
    """How a service's health is probed."""

    NONE = "none"
    HTTP = "http"
    TCP = "tcp"
    EXEC = "exec"
    """A command that ends with 0."""
    LOG = "log"
    """It has logged something within the last so many seconds."""
    NOTIFY = "notify"
    """It sends WATCHDOG=1 to the socket in NOTIFY_SOCKET, in the manner of sd_notify(3)."""


class ReadyKind(StrEnum):
    """What tells that a service which is starting has become ready."""

    AUTO = "auto"
    """Its health check where it has one; else being up for ``start_seconds``."""
    TCP = "tcp"
    HTTP = "http"
    LOG = "log"
    """A line of this run's log matches a pattern."""
    NOTIFY = "notify"
    """It sends READY=1 to the socket in NOTIFY_SOCKET, in the manner of sd_notify(3)."""


class Hook(StrEnum):
    """The commands that go with the life of a service."""

    PRE_START = "pre-start"
    """Before each process; where it fails, so does the start."""
    POST_START = "post-start"
    """Once it is ready; a failure is told, and no more."""
    PRE_STOP = "pre-stop"
    """Before a process is asked to stop; a failure does not keep it from being stopped."""
    POST_STOP = "post-stop"
    """Once nothing of a run is left, however it ended, and before anything new is started."""


class ExitSource(StrEnum):
    """Where the knowledge of an exit status comes from."""

    WAIT = "wait"
    """The kernel told us as the parent."""
    PROC = "proc"
    """Read from the zombie's ``/proc`` entry."""
    PIDFD = "pidfd"
    """Asked of the pidfd after another process had reaped it (Linux 6.15 or newer)."""
    UNKNOWN = "unknown"
    """It ended while nobody who could know was looking."""


EXIT_SOURCE_WORDS: dict[ExitSource, str] = {
    ExitSource.WAIT: "the kernel told the supervisor, which had started it",
    ExitSource.PROC: "read from what the process had left in /proc",
    ExitSource.PIDFD: "the kernel told the supervisor, which had taken it over",
    ExitSource.UNKNOWN: "nobody was there who could have been told",
}
"""How it is known in which way a run ended."""

REASON_WORDS: dict[Reason, str] = {
    Reason.NONE: "",
    Reason.OPERATOR: "asked for by an operator",
    Reason.BOOT: "started with the supervisor",
    Reason.DEPENDENCY: "waits for what it depends on",
    Reason.CRASH: "ended unexpectedly",
    Reason.COMPLETED: "ended as expected",
    Reason.START_TIMEOUT: "did not become ready in time",
    Reason.STOP_TIMEOUT: "did not stop in time and was killed",
    Reason.UNHEALTHY: "failed its health checks",
    Reason.HUNG: "accepts connections but does not answer",
    Reason.MEMORY: "used more memory than allowed",
    Reason.CPU: "used more CPU than allowed",
    Reason.MAX_AGE: "reached its maximum age",
    Reason.MAX_REQUESTS: "served as many requests as it is meant to",
    Reason.SCHEDULE: "runs by its schedule",
    Reason.HOOK_FAILED: "the command that goes before its start failed",
    Reason.FATAL_EXIT: "ended with an exit code after which it is not restarted",
    Reason.CONFIG: "its settings changed",
    Reason.DELETED: "its declaration was deleted",
    Reason.SPAWN_ERROR: "could not be started",
    Reason.PORT_BUSY: "its port is taken by another program",
    Reason.ADOPTED: "taken over from the previous supervisor",
    Reason.SHUTDOWN: "the supervisor was stopped",
    Reason.AUTO_RECOVERY_OFF: "failed too often; auto-recovery has turned itself off",
}
