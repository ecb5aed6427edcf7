"""What operators declare: services, and what each needs of others."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from medimgr.events.log import publish
from medimgr.lib.scope import Labels, group_label
from medimgr.lib.scoped_rows import ScopedRows
from monitoring import copies, declaration, per_copy
from monitoring.models.choices import choices
from monitoring.models.declared_fields import (
    HealthFields,
    LimitFields,
    LogFields,
    ProgramFields,
    RestartFields,
    StartFields,
    StopFields,
)
from monitoring.models.node import Node
from monitoring.models.specifying import spec_of
from monitoring.models.status import ServiceStatus
from monitoring.states import Condition, HealthKind, Intent, ReadyKind, RestartPolicy
from monitoring.supervisor.spec import ServiceSpec


class ServiceQuerySet(ScopedRows["Service"]):
    """Named selections of services."""

    def with_labels(self, labels: Labels) -> "ServiceQuerySet":
        """Return the services whose group is among ``labels``. One query for the groups that there are."""
        return self.filter(group__in=groups_with(labels))

    def on(self, node: str) -> "ServiceQuerySet":
        """Return the services of the node called ``node``."""
        return self.filter(node__name=node)

    def hold(self) -> None:
        """Lock these services and their copies, which are about to be deleted. One query, in a transaction.

        The supervisor locks services before it writes about them, in the same order: whoever deletes rows
        of runs first and the service last would wait for it while it waits for them.
        """
        held = Service.objects.filter(models.Q(pk__in=self) | models.Q(instance_of__in=self))
        list(held.order_by("pk").select_for_update(of=("self",)).values_list("pk"))

    def for_display(self) -> "ServiceQuerySet":
        """Return services with all that a list shows, in one query, in the list's order."""
        return self.select_related("node", "status").order_by(
            "builtin", "group", "priority", Coalesce("instance_of__key", "key"), "instance"
        )

    def for_supervisor(self, node: str) -> "ServiceQuerySet":
        """Return a node's services with status and dependencies, in two queries."""
        return self.on(node).select_related("node", "status").prefetch_related("dependencies__needs")


def all_groups() -> list[str]:
    """Return the groups that services are in, as they write them. One query."""
    groups = Service.objects.order_by().values_list("group", flat=True).distinct()
    return [group for group in groups if group]


def groups_with(labels: Labels) -> list[str]:
    """Return the groups that are among ``labels``, as services write them. One query.

    Compared here: the databases differ in what they hold to be the same letter.
    """
    return [group for group in all_groups() if not labels.isdisjoint(group_label(group))]


def labels_by_key() -> dict[str, Labels]:
    """Return the labels of all services. One query."""
    groups = Service.objects.order_by().values_list("key", "group")
    return {key: group_label(group) for key, group in groups}


class Service(
    ProgramFields,
    StartFields,
    RestartFields,
    StopFields,
    HealthFields,
    LimitFields,
    LogFields,
    models.Model,
):
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
    instance_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.CASCADE,
        related_name="copies",
        help_text="The service that this one is a further copy of; its declaration follows that one's.",
    )
    instance = models.PositiveIntegerField(
        default=0, editable=False, help_text="0 for the declared one, 1 for its first further copy."
    )

    ports = models.JSONField(
        default=list,
        blank=True,
        help_text="TCP ports that it listens on; checked before each start.",
    )
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
            models.CheckConstraint(
                condition=models.Q(ready_kind__in=[k.value for k in ReadyKind]),
                name="known_ready_kind",
            ),
            models.UniqueConstraint(fields=("instance_of", "instance"), name="one_copy_per_instance"),
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
        """Save, keep its further copies in step, and publish what of all that changed, in one transaction.

        One query more than for the row itself where it has no copies and is to have none.
        """
        with transaction.atomic():
            present = copies.without_surplus(self)
            self.store(None, *args, **kwargs)
            copies.keep_in_step(self, present)

    def scope_labels(self) -> Labels:
        """Return the label of its group, for who is limited to some. No query."""
        return group_label(self.group)

    def store(self, intent: Intent | str | None = None, *args: Any, **kwargs: Any) -> None:
        """Save this row alone, make its status where there is none, and publish that it changed.

        A new status has ``intent``, or else what ``autostart`` says. One query for the group that it was in.
        """
        with transaction.atomic():
            left = self._stored_labels()
            super().save(*args, **kwargs)
            ServiceStatus.objects.get_or_create(
                service=self,
                defaults={
                    "since": timezone.now(),
                    "intent": intent or (Intent.UP if self.autostart else Intent.DOWN),
                },
            )
            told = {"declared": True, "name": self.name}
            publish("service", self.key, told, self.scope_labels(), left)

    def _stored_labels(self) -> Labels:
        """Return the labels that it has had until now, none for a new one; they stay until the commit."""
        if self._state.adding:
            return frozenset()
        stored = type(self).objects.filter(pk=self.pk).order_by().select_for_update(no_key=True)
        return group_label(stored.values_list("group", flat=True).first() or "")

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Raise ValidationError for each value that its field does not take, monstrous numbers included."""
        numbers = (field.attname for field in self._meta.concrete_fields if field.name not in (exclude or ()))
        unusable = declaration.unusable_numbers({name: getattr(self, name) for name in numbers})
        faults = {field: [ValidationError(message)] for field, message in unusable.items()}
        try:
            super().clean_fields(exclude={*(exclude or ()), *unusable})
        except ValidationError as error:
            faults = error.update_error_dict(faults)
        if faults:
            raise ValidationError(faults)

    def clean(self) -> None:
        """Raise ValidationError naming every bad field and its mend; looks at this machine.

        No query, but one for a service that is to have further copies. A copy is not edited by itself.
        """
        if self.instance_of_id is not None:
            raise ValidationError(
                f"{self.key} is copy {self.instance + 1} of {self.original_key} and follows its declaration. "
                "Change that one."
            )
        faults = copies.merged(declaration.faults(self), copies.faults(self))
        if faults:
            raise ValidationError({field: list(messages) for field, messages in faults.items()})

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete it with its further copies and publish that; the supervisor then stops the processes."""
        with transaction.atomic():
            type(self).objects.filter(pk=self.pk).hold()
            for copy in self.copies.order_by("-instance"):
                copy.delete()
            result = super().delete(*args, **kwargs)
            publish("service", self.key, {"deleted": True}, self.scope_labels())
        return result

    @property
    def original_key(self) -> str:
        """Return the key of the service that this is a copy of; its own where it is none. No query."""
        return per_copy.original_key(self.key, self.instance)

    @property
    def log_path(self) -> Path:
        """Return where its output goes, on the machine of its node. No query."""
        return Path(settings.MEDIMGR_DATA_DIR) / "logs" / f"{self.key}.log"

    @property
    def stderr_path(self) -> Path:
        """Return where its standard error goes: to the same log, unless it is kept apart. No query."""
        return self.log_path.with_name(f"{self.key}.err.log") if self.log_stderr_apart else self.log_path

    def spec(self) -> ServiceSpec:
        """Return the declaration as the supervisor's plain data. Uses ``dependencies`` (prefetch them)."""
        return spec_of(self)

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
            "instance": self.instance,
            "instance_of": self.original_key if self.instance else None,
            "instances": self.instances,
            "schedule": self.schedule,
            **self.status.public(),
        }


class DependencyQuerySet(ScopedRows["Dependency"]):
    """Named selections of dependencies."""

    def with_labels(self, labels: Labels) -> "DependencyQuerySet":
        """Return those of whose two services both are among ``labels``. One query."""
        groups = groups_with(labels)
        return self.filter(service__group__in=groups, needs__group__in=groups)


class Dependency(models.Model):
    """``service`` starts only once ``needs`` meets the condition, and stops before it."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="dependencies")
    needs = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="dependents")
    condition = models.CharField(max_length=10, choices=choices(Condition), default=Condition.STARTED)

    objects = DependencyQuerySet.as_manager()

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it, for the further copies of its service too. One query more where there are none."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            copies.follow_dependencies(self.service)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete it, for the further copies of its service too. One query more where there are none."""
        with transaction.atomic():
            result = super().delete(*args, **kwargs)
            copies.follow_dependencies(self.service)
        return result

    def scope_labels(self) -> Labels:
        """Return the labels of the service that needs the other. Queries it where it has not been read."""
        return self.service.scope_labels()

    def clean(self) -> None:
        """Raise ValidationError where it is on a copy, which comes and goes with scaling. No query."""
        needed = self.needs if self.needs_id is not None else None
        if needed is not None and needed.instance_of_id is not None:
            raise ValidationError(
                {"needs": [f"{needed.key} is a copy of {needed.original_key}. Depend on that one instead."]}
            )
