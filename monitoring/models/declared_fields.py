"""The fields of a declaration, by subject. Rules that a field's type cannot show are in declaration.py."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from monitoring import declaration
from monitoring.models.choices import choices
from monitoring.states import HealthKind, ReadyKind, RestartPolicy

_HOUR = 3600.0
_DAY = 86_400.0
_MOST_MB = 16 * 1024 * 1024


def _between(least: float, most: float) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class ProgramFields(models.Model):
    """What to run, as whom, within which limits of the system, and how often."""

    command = models.JSONField(
        help_text='The program and its arguments as a list: ["python3", "-m", "http.server"]. No shell.'
    )
    cwd = models.CharField("working directory", max_length=500, blank=True)
    env = models.JSONField("environment", default=dict, blank=True)
    user = models.CharField(max_length=64, blank=True, help_text="Run as; needs a supervisor run by root.")
    user_group = models.CharField(
        max_length=64, blank=True, help_text="Run with this primary group instead of the user's own."
    )
    umask = models.CharField(max_length=4, blank=True, help_text="Octal, such as 027.")
    nice = models.SmallIntegerField(
        null=True,
        blank=True,
        validators=_between(-20, 19),
        help_text="From -20 (first served) to 19; below 0 needs a supervisor run by root.",
    )
    rlimits = models.JSONField(
        "resource limits",
        default=dict,
        blank=True,
        help_text='Limits by name, as in prlimit(1): {"nofile": 4096, "core": [0, "unlimited"]}.',
    )
    instances = models.PositiveIntegerField(
        default=1, validators=_between(1, 100), help_text="So many copies run side by side."
    )
    port_step = models.PositiveIntegerField(
        default=1,
        validators=[MaxValueValidator(1000)],
        help_text="The ports of each further copy are so much higher.",
    )

    class Meta:
        abstract = True


class StartFields(models.Model):
    """When it is started, and what tells that it is ready."""

    autostart = models.BooleanField(default=True)
    priority = models.IntegerField(default=100, help_text="The smaller starts first and stops last.")
    schedule = models.CharField(
        max_length=100,
        blank=True,
        help_text="A cron expression, such as 30 2 * * 1-5: it is started at these times, and not otherwise.",
    )
    schedule_time_zone = models.CharField(
        max_length=64, blank=True, help_text="Such as Europe/Berlin; UTC where empty."
    )
    start_seconds = models.FloatField(
        default=1.0,
        validators=_between(0.0, _HOUR),
        help_text="Where nothing else tells that it is ready: up this long counts as running.",
    )
    start_timeout_seconds = models.FloatField(
        default=30.0,
        validators=_between(0.1, _HOUR),
        help_text="Where something tells that it is ready: not ready by then is a failed start.",
    )
    ready_kind = models.CharField(
        max_length=8,
        choices=choices(ReadyKind),
        default=ReadyKind.AUTO,
        help_text="What tells that it is ready. Auto: the health check, or else the start seconds.",
    )
    ready_url = models.CharField(max_length=500, blank=True)
    ready_port = models.PositiveIntegerField(null=True, blank=True)
    ready_pattern = models.CharField(
        max_length=200, blank=True, help_text="A regular expression that a line of its log has to match."
    )

    class Meta:
        abstract = True


class RestartFields(models.Model):
    """After which ends it is started again, and when."""

    restart_policy = models.CharField(
        max_length=10, choices=choices(RestartPolicy), default=RestartPolicy.ALWAYS
    )
    success_exit_codes = models.JSONField(default=declaration.default_success_codes)
    success_signals = models.JSONField(
        default=list, blank=True, help_text='Signals that are no failure, such as ["SIGTERM"].'
    )
    fatal_exit_codes = models.JSONField(
        default=list, blank=True, help_text="Exit codes after which it is not restarted, such as [78]."
    )
    fatal_retry_seconds = models.FloatField(
        default=0.0,
        validators=_between(0.0, _DAY),
        help_text="So long after it was given up it is tried once more; 0 for never.",
    )
    backoff_base_seconds = models.FloatField(default=0.5, validators=_between(0.0, _HOUR))
    backoff_cap_seconds = models.FloatField(default=60.0, validators=_between(0.1, _DAY))
    stable_seconds = models.FloatField(
        default=60.0,
        validators=_between(0.1, _DAY),
        help_text="Up this long, and earlier failures are forgotten.",
    )
    max_failures = models.PositiveIntegerField(
        default=0, help_text="So many failures in the window turn auto-recovery off; 0 for never."
    )
    failure_window_seconds = models.FloatField(default=600.0, validators=_between(1.0, _DAY))

    class Meta:
        abstract = True


class StopFields(models.Model):
    """How it is ended, and the commands that go with its life."""

    stop_url = models.CharField(
        max_length=500, blank=True, help_text="A POST to this URL asks it to end, before any signal."
    )
    stop_command = models.JSONField(
        default=list, blank=True, help_text="This command asks it to end, before any signal."
    )
    stop_request_seconds = models.FloatField(
        default=5.0,
        validators=_between(0.1, _HOUR),
        help_text="So long after it was asked by URL or command it gets the stop signal.",
    )
    stop_signal = models.CharField(max_length=10, default="SIGTERM")
    stop_timeout_seconds = models.FloatField(
        default=10.0,
        validators=_between(0.0, _HOUR),
        help_text="Then the whole process tree is killed.",
    )
    pre_start_command = models.JSONField(
        default=list, blank=True, help_text="Runs before each start; where it fails, so does the start."
    )
    post_start_command = models.JSONField(default=list, blank=True, help_text="Runs once it is ready.")
    pre_stop_command = models.JSONField(
        default=list, blank=True, help_text="Runs before it is asked to stop."
    )
    post_stop_command = models.JSONField(
        default=list, blank=True, help_text="Runs once nothing is left of it, however it ended."
    )
    hook_timeout_seconds = models.FloatField(
        default=30.0,
        validators=_between(0.1, _HOUR),
        help_text="A command that takes longer is killed and counts as failed.",
    )

    class Meta:
        abstract = True


class HealthFields(models.Model):
    """How its health is probed while it runs."""

    health_kind = models.CharField(max_length=8, choices=choices(HealthKind), default=HealthKind.NONE)
    health_url = models.CharField(max_length=500, blank=True)
    health_body = models.CharField(
        max_length=200, blank=True, help_text="The answer has to hold this text; HTTP only."
    )
    health_port = models.PositiveIntegerField(null=True, blank=True)
    health_command = models.JSONField(
        default=list, blank=True, help_text="Healthy where this command ends with 0; its output is told."
    )
    health_silence_seconds = models.FloatField(
        default=60.0,
        validators=_between(0.5, _DAY),
        help_text="For log: unhealthy when it has logged nothing for so long. For notify: no WATCHDOG=1.",
    )
    health_interval_seconds = models.FloatField(default=5.0, validators=_between(0.1, _HOUR))
    health_timeout_seconds = models.FloatField(default=2.0, validators=_between(0.1, 300.0))
    health_failures = models.PositiveIntegerField(
        default=3, validators=[MinValueValidator(1)], help_text="So many in a row make it unhealthy."
    )
    health_successes = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="So many in a row make it healthy again."
    )
    health_restart = models.BooleanField(default=True, help_text="Restart the service when it is unhealthy.")

    class Meta:
        abstract = True


class LimitFields(models.Model):
    """What it may use before it is replaced by a new process. 0 is for no limit."""

    max_memory_mb = models.PositiveIntegerField(
        "maximum memory (MB)",
        default=0,
        validators=[MaxValueValidator(_MOST_MB)],
        help_text="Of the whole process tree, shared memory counted once. 0 for no limit.",
    )
    max_cpu_percent = models.FloatField(
        "maximum CPU (%)",
        default=0.0,
        validators=_between(0.0, 100_000.0),
        help_text="100 is one core, averaged over the next field. 0 for no limit.",
    )
    max_cpu_seconds = models.FloatField(
        "CPU averaged over (s)", default=60.0, validators=_between(5.0, _HOUR)
    )
    max_age_seconds = models.FloatField(
        "maximum age (s)",
        default=0.0,
        validators=_between(0.0, 366 * _DAY),
        help_text="Give or take ten percent, so that copies do not end together. 0 for no limit.",
    )
    max_requests = models.PositiveIntegerField(
        default=0,
        help_text="Where it reports X_REQUESTS=n to the socket in NOTIFY_SOCKET. 0 for no limit.",
    )
    min_ready = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(1000)],
        help_text="It is replaced only while so many others of its group are running.",
    )

    class Meta:
        abstract = True


class LogFields(models.Model):
    """What is kept of its output."""

    log_max_mb = models.PositiveIntegerField(
        default=50,
        validators=_between(1, 100_000),
        help_text="A larger log is put away as an archive, while the service runs.",
    )
    log_keep = models.PositiveIntegerField(default=5, validators=[MaxValueValidator(1000)])
    log_compress = models.BooleanField(default=True, help_text="Compress the archives.")
    log_stderr_apart = models.BooleanField(
        default=False, help_text="Standard error goes to a log of its own, KEY.err.log."
    )

    class Meta:
        abstract = True
