"""What operators declare: services, and what each needs of others."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.utils import timezone

from medimgr.events.log import publish
from monitoring import declaration
from monitoring.models.choices import choices
from monitoring.models.node import Node
from monitoring.models.status import ServiceStatus
from monitoring.states import Condition, HealthKind, Intent, RestartPolicy
from monitoring.supervisor.spec import HealthCheck, Needs, ServiceSpec


class ServiceQuerySet(models.QuerySet["Service"]):
    """Named selections of services."""

    def on(self, node: str) -> "ServiceQuerySet":
        """Return the services of the node called ``node``."""
        return self.filter(node__name=node)

    def for_display(self) -> "ServiceQuerySet":
        """Return services with all that a list shows, in one query, in the list's order."""
        return self.select_related("node", "status").order_by("builtin", "group", "priority", "key")

    def for_supervisor(self, node: str) -> "ServiceQuerySet":
        """Return a node's services with status and dependencies, in two queries."""
        return self.on(node).select_related("node", "status").prefetch_related("dependencies__needs")


class Service(models.Model):
    """A program that is kept running. The declaration only: what it does is in its ServiceStatus.

    The two are apart so that saving a form never overwrites what the supervisor has just reported.
    """

    key = models.CharField(
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[a-z0-9][a-z0-9._-]*\Z",
                "Use lower-case letters, digits, dots, dashes and underscores; begin with a letter or digit.",
            )
        ],
        help_text="Short name for commands, URLs and the log file.",
    )
    name = models.CharField(max_length=100, help_text="For people.")
    description = models.CharField(max_length=300, blank=True)
    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="services")
    group = models.CharField(max_length=63, blank=True)
    builtin = models.BooleanField(default=False, editable=False, help_text="One of medimgr's own processes.")

    command = models.JSONField(
        help_text='The program and its arguments as a list: ["python3", "-m", "http.server"]. No shell.'
    )
    cwd = models.CharField("working directory", max_length=500, blank=True)
    env = models.JSONField("environment", default=dict, blank=True)
    user = models.CharField(max_length=64, blank=True, help_text="Run as; needs a supervisor run by root.")
    umask = models.CharField(max_length=4, blank=True, help_text="Octal, such as 027.")

    autostart = models.BooleanField(default=True)
    priority = models.IntegerField(default=100, help_text="The smaller starts first and stops last.")
    start_seconds = models.FloatField(
        default=1.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(3600.0)],
        help_text="Without a health check: up this long counts as running.",
    )
    start_timeout_seconds = models.FloatField(
        default=30.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(3600.0)],
        help_text="With a health check: not healthy by then is a failed start.",
    )

    restart_policy = models.CharField(
        max_length=10, choices=choices(RestartPolicy), default=RestartPolicy.ALWAYS
    )
    success_exit_codes = models.JSONField(default=declaration.default_success_codes)
    backoff_base_seconds = models.FloatField(
        default=0.5, validators=[MinValueValidator(0.0), MaxValueValidator(3600.0)]
    )
    backoff_cap_seconds = models.FloatField(
        default=60.0, validators=[MinValueValidator(0.1), MaxValueValidator(86400.0)]
    )
    stable_seconds = models.FloatField(
        default=60.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(86400.0)],
        help_text="Up this long, and earlier failures are forgotten.",
    )
    max_failures = models.PositiveIntegerField(
        default=0, help_text="So many failures in the window turn auto-recovery off; 0 for never."
    )
    failure_window_seconds = models.FloatField(
        default=600.0, validators=[MinValueValidator(1.0), MaxValueValidator(86400.0)]
    )

    stop_signal = models.CharField(max_length=10, default="SIGTERM")
    stop_timeout_seconds = models.FloatField(
        default=10.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(3600.0)],
        help_text="Then the whole process tree is killed.",
    )

    health_kind = models.CharField(max_length=8, choices=choices(HealthKind), default=HealthKind.NONE)
    health_url = models.CharField(max_length=500, blank=True)
    health_port = models.PositiveIntegerField(null=True, blank=True)
    health_interval_seconds = models.FloatField(
        default=5.0, validators=[MinValueValidator(0.1), MaxValueValidator(3600.0)]
    )
    health_timeout_seconds = models.FloatField(
        default=2.0, validators=[MinValueValidator(0.1), MaxValueValidator(300.0)]
    )
    health_failures = models.PositiveIntegerField(default=3, validators=[MinValueValidator(1)])
    health_restart = models.BooleanField(default=True, help_text="Restart the service when it is unhealthy.")

    ports = models.JSONField(
        default=list,
        blank=True,
        help_text="TCP ports that it listens on; checked before each start.",
    )
    log_max_mb = models.PositiveIntegerField(
        default=50, validators=[MinValueValidator(1), MaxValueValidator(100_000)]
    )
    log_keep = models.PositiveIntegerField(default=5, validators=[MaxValueValidator(1000)])
    warning = models.CharField(
        max_length=300,
        blank=True,
        help_text="Shown, and to be confirmed, before a stop or restart.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        ordering = ("builtin", "group", "priority", "key")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(restart_policy__in=[p.value for p in RestartPolicy]),
                name="known_restart_policy",
            ),
            models.CheckConstraint(
                condition=models.Q(health_kind__in=[k.value for k in HealthKind]),
                name="known_health_kind",
            ),
        )
        # Changing what a service runs is running code as the supervisor's user: change_service is for
        # those who may do that. The verbs below only act on what is declared.
        permissions = (
            ("start_service", "Can start a service"),
            ("stop_service", "Can stop a service"),
            ("restart_service", "Can restart a service"),
            ("recover_service", "Can turn auto-recovery on and off"),
            ("tail_service", "Can read a service's log"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, make the status row where there is none, and publish that the declaration changed."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            ServiceStatus.objects.get_or_create(
                service=self,
                defaults={
                    "since": timezone.now(),
                    "intent": Intent.UP if self.autostart else Intent.DOWN,
                },
            )
            publish("service", self.key, {"declared": True, "name": self.name})

    def clean(self) -> None:
        """Raise ValidationError naming every bad field and its mend. No query; looks at this machine."""
        faults = declaration.faults(self)
        if faults:
            raise ValidationError({field: list(messages) for field, messages in faults.items()})

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete and publish it; the supervisor then stops the process."""
        with transaction.atomic():
            result = super().delete(*args, **kwargs)
            publish("service", self.key, {"deleted": True})
        return result

    @property
    def log_path(self) -> Path:
        """Return where its output goes, on the machine of its node. No query."""
        return Path(settings.MEDIMGR_DATA_DIR) / "logs" / f"{self.key}.log"

    def spec(self) -> ServiceSpec:
        """Return the declaration as the supervisor's plain data. Uses ``dependencies`` (prefetch them)."""
        return ServiceSpec(
            key=self.key,
            name=self.name,
            command=tuple(self.command),
            cwd=self.cwd,
            env=tuple(sorted((str(k), str(v)) for k, v in self.env.items())),
            user=self.user,
            umask=int(self.umask, 8) if self.umask else None,
            autostart=self.autostart,
            priority=self.priority,
            needs=tuple(
                sorted(
                    (Needs(d.needs.key, Condition(d.condition)) for d in self.dependencies.all()),
                    key=lambda needs: needs.service,
                )
            ),
            start_seconds=self.start_seconds,
            start_timeout=self.start_timeout_seconds,
            restart=RestartPolicy(self.restart_policy),
            success_codes=frozenset(self.success_exit_codes),
            backoff_base=self.backoff_base_seconds,
            backoff_cap=self.backoff_cap_seconds,
            stable_seconds=self.stable_seconds,
            max_failures=self.max_failures,
            failure_window=self.failure_window_seconds,
            stop_signal=self.stop_signal,
            stop_timeout=self.stop_timeout_seconds,
            health=HealthCheck(
                kind=HealthKind(self.health_kind),
                url=self.health_url,
                port=self.health_port or 0,
                interval=self.health_interval_seconds,
                timeout=self.health_timeout_seconds,
                failures=self.health_failures,
                restart=self.health_restart,
            ),
            ports=tuple(self.ports),
            log_path=self.log_path,
            log_max_bytes=self.log_max_mb * 1024 * 1024,
            log_keep=self.log_keep,
            builtin=self.builtin,
        )

    def public(self) -> dict[str, Any]:
        """Return the shape that API and page show, without CPU and memory (those are ticks).

        No query when ``node`` and ``status`` were selected along.
        """
        return {
            "key": self.key,
            "name": self.name,
            "description": self.description,
            "node": self.node.name,
            "group": self.group,
            "ports": self.ports,
            "warning": self.warning,
            "builtin": self.builtin,
            **self.status.public(),
        }


class Dependency(models.Model):
    """``service`` starts only once ``needs`` meets the condition, and stops before it."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="dependencies")
    needs = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="dependents")
    condition = models.CharField(max_length=10, choices=choices(Condition), default=Condition.STARTED)

    class Meta:
        verbose_name_plural = "dependencies"
        constraints = (
            models.UniqueConstraint(fields=("service", "needs"), name="one_dependency_per_pair"),
            models.CheckConstraint(
                condition=~models.Q(service=models.F("needs")), name="no_dependency_on_itself"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service} needs {self.needs}"
