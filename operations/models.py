"""The operation: one requested action, from the request to its one true end."""

import functools
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse

from medimgr.lib.scope import Labels, read
from medimgr.lib.scoped_rows import LabelledRows
from medimgr.lib.units import iso
from operations.states import ACTIVE_VALUES, FINISHED_VALUES, Status


@functools.lru_cache(maxsize=32)
def _pages(urlconf: str, _prefix: str) -> str:
    """Return where the pages of operations are. Remembered: every event tells of one."""
    try:
        place = reverse("operations:operation", urlconf=urlconf, args=[_ANY])
    except NoReverseMatch:  # the page is not mounted, as under a test's own URLconf
        return "/operations/{}/"
    return place.replace(str(_ANY), "{}")


_ANY = 987654321


class OperationQuerySet(LabelledRows["Operation"]):
    """Named selections of operations."""

    def active(self) -> "OperationQuerySet":
        """Return those that have not ended."""
        return self.filter(status__in=ACTIVE_VALUES)

    def finished(self) -> "OperationQuerySet":
        """Return those that have ended, whichever way."""
        return self.filter(status__in=FINISHED_VALUES)

    def of(self, target_type: str, target_key: str) -> "OperationQuerySet":
        """Return the operations on one target."""
        return self.filter(target_type=target_type, target_key=target_key)

    def claimable(self, queue: str, now: datetime) -> "OperationQuerySet":
        """Return what the server of ``queue`` may take up now, in the order to take it."""
        # What was asked for at once is not for later, even if the clock was set back since.
        due = Q(run_after__lte=now) | Q(run_after__lte=F("created_at"))
        return self.filter(due, queue=queue, status=Status.PENDING, deadline_at__gt=now).order_by(
            "-priority", "id"
        )


class Operation(models.Model):
    """One requested action on one target. This table is the audit: who, what, why, and how it ended."""

    kind = models.CharField(max_length=64)
    target_type = models.CharField(max_length=32)
    target_key = models.CharField(max_length=200)
    target_name = models.CharField(max_length=200, blank=True, default="")
    """What people called it when it was asked for; empty: by its key."""
    labels = models.TextField(blank=True, default="")
    """What its target belonged to when it was asked for; see :mod:`medimgr.lib.scope`."""
    request_id = models.CharField(
        max_length=64, blank=True, default="", help_text="The request that asked for it, as logs name it."
    )
    parameters = models.JSONField(default=dict, blank=True)
    queue = models.CharField(max_length=120, help_text="Who carries it out.")
    status = models.CharField(
        max_length=10, choices=[(s.value, s.value.lower()) for s in Status], default=Status.PENDING
    )

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="operations",
    )
    requester = models.CharField(
        max_length=150, help_text="The requester's name, kept when the account goes."
    )
    source = models.CharField(max_length=16, help_text="page, admin, api, command or system.")
    address = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    idempotency_key = models.CharField(max_length=200, blank=True)
    batch = models.CharField(
        max_length=40, blank=True, help_text="Shared by operations that one request made."
    )

    priority = models.SmallIntegerField(default=0, help_text="Higher goes first; from -100 to 100.")
    lane = models.CharField(
        max_length=120, blank=True, help_text="Operations in one lane share a limit: those on one machine."
    )
    lane_limit = models.PositiveSmallIntegerField(
        default=0, help_text="How many of its lane may run at a time when it is taken up; 0: any number."
    )
    attempt = models.PositiveSmallIntegerField(
        default=1, help_text="1 for the first try; each that repeats another is one more."
    )

    created_at = models.DateTimeField()
    run_after = models.DateTimeField(help_text="Not taken up before this.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(help_text="Past this it ends as TIMEOUT.")

    lease_owner = models.CharField(max_length=120, blank=True)
    lease_token = models.PositiveIntegerField(
        default=0, help_text="Grows by one at each claim; every write of the holder names it."
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.CharField(max_length=150, blank=True)

    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    progress_message = models.CharField(max_length=300, blank=True)
    checkpoint = models.JSONField(
        null=True, blank=True, help_text="Up to where the work is done for good; a retry goes on from here."
    )
    log_lines = models.PositiveIntegerField(default=0, help_text="How many lines of its log are stored.")
    log_bytes = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries"
    )

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("target_type", "target_key"),
                condition=Q(status__in=ACTIVE_VALUES),
                name="one_active_operation_per_target",
            ),
            models.UniqueConstraint(
                fields=("requester", "idempotency_key"),
                condition=~Q(idempotency_key=""),
                name="idempotency_key_per_requester",
            ),
            models.CheckConstraint(condition=Q(status__in=[s.value for s in Status]), name="known_status"),
            models.CheckConstraint(
                condition=Q(status__in=ACTIVE_VALUES, finished_at__isnull=True)
                | Q(status__in=FINISHED_VALUES, finished_at__isnull=False),
                name="finished_operations_say_when",
            ),
        )
        indexes = (
            # The claim: pending work of one queue, the most urgent and then the oldest first.
            models.Index(
                fields=("queue", "-priority", "id"),
                condition=Q(status=Status.PENDING),
                name="operation_pending",
            ),
            # The reaper: running work whose lease or deadline has passed.
            models.Index(
                fields=("lease_until",), condition=Q(status=Status.RUNNING), name="operation_leases"
            ),
            # Purge: finished work by age.
            models.Index(
                fields=("finished_at",),
                condition=Q(finished_at__isnull=False),
                name="operation_finished",
            ),
            # The history of one target, newest first.
            models.Index(fields=("target_type", "target_key", "-id"), name="operation_target"),
            # The filters of the list, newest first, and its dates.
            models.Index(fields=("status", "-id"), name="operation_status"),
            models.Index(fields=("kind", "-id"), name="operation_kind"),
            models.Index(fields=("requester", "-id"), name="operation_requester"),
            models.Index(fields=("created_at",), name="operation_created"),
            models.Index(fields=("batch",), condition=~Q(batch=""), name="operation_batch"),
        )
        permissions = (
            ("cancel_operation", "Can cancel an operation"),
            ("retry_operation", "Can ask for an operation again"),
            ("purge_operation", "Can delete finished operations"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.target_key} ({self.status.lower()})"

    def get_absolute_url(self) -> str:
        """Return the page of the operation."""
        return _pages(get_urlconf(settings.ROOT_URLCONF), get_script_prefix()).format(self.pk)

    def scope_labels(self) -> Labels:
        """Return what its target belonged to when it was asked for. No query."""
        return read(self.labels)

    @property
    def target(self) -> str:
        """Return the target as clients know it: ``service:backend``."""
        return f"{self.target_type}:{self.target_key}"

    @property
    def target_words(self) -> str:
        """Return the target as people know it: ``Farm 1 on pc-07``, or as :attr:`target`."""
        return self.target_name or self.target

    def public(self) -> dict[str, Any]:
        """Return the shape that API and stream show. No query."""
        error = None
        if self.error_code:
            error = {"code": self.error_code, "detail": self.error_detail}
        return {
            "id": self.pk,
            "kind": self.kind,
            "target": self.target,
            "target_name": self.target_name,
            "status": self.status,
            "progress": {
                "done": self.progress_done,
                "total": self.progress_total,
                "message": self.progress_message,
            },
            "error": error,
            "requested_by": self.requester,
            "source": self.source,
            "reason": self.reason,
            "batch": self.batch,
            "attempt": self.attempt,
            "log_lines": self.log_lines,
            "created_at": iso(self.created_at),
            "run_after": iso(self.run_after) if self.run_after > self.created_at else None,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "cancel_requested": self.cancel_requested_at is not None,
            "url": self.get_absolute_url(),
        }


class LogPart(models.Model):
    """Some lines of an operation's log, those that were written together."""

    # The constraint below is its index.
    operation = models.ForeignKey(
        Operation, on_delete=models.CASCADE, related_name="log_parts", db_index=False
    )
    first = models.PositiveIntegerField(help_text="The number of its first line, counted from 1.")
    lines = models.JSONField(help_text="[[time, level, text], ...], secrets masked.")

    class Meta:
        ordering = ("operation_id", "first")
        constraints = (
            models.UniqueConstraint(fields=("operation", "first"), name="log_part_follows_the_one_before"),
        )

    def __str__(self) -> str:
        return f"lines from {self.first} on of operation {self.operation_id}"


class BatchQuerySet(LabelledRows["Batch"]):
    """Named selections of batches."""


class Batch(models.Model):
    """One request over many targets, and how far its operations have come together.

    An operation's end is counted here in its own transaction, so the counts stay true when the operations
    are purged.
    """

    id = models.CharField(max_length=40, primary_key=True)
    kind = models.CharField(max_length=64)
    labels = models.TextField(blank=True, default="")
    """Those of all its targets."""
    requester = models.CharField(max_length=150)
    source = models.CharField(max_length=16)
    address = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    total = models.PositiveIntegerField(help_text="How many targets it was asked for.")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0, help_text="Failed and timed out.")
    cancelled = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=list, blank=True, help_text="[{target, code, detail}, ...]")

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "batches"
        indexes = (models.Index(fields=("created_at",), name="batch_created"),)

    def __str__(self) -> str:
        return f"{self.kind} of {self.total} ({self.done}/{self.total})"

    def scope_labels(self) -> Labels:
        """Return the labels of all its targets. No query."""
        return read(self.labels)

    @property
    def done(self) -> int:
        """Return how many of its targets have come to an end, one way or the other."""
        return self.succeeded + self.failed + self.cancelled + len(self.refused)

    def public(self) -> dict[str, Any]:
        """Return the shape that API and stream show. No query."""
        return {
            "id": self.pk,
            "kind": self.kind,
            "requested_by": self.requester,
            "source": self.source,
            "reason": self.reason,
            "created_at": iso(self.created_at),
            "finished_at": iso(self.finished_at),
            "total": self.total,
            "done": self.done,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "refused": self.refused,
        }


class ChoreRun(models.Model):
    """When a periodic chore last ran, how it went, and who holds it now."""

    name = models.CharField(max_length=64, primary_key=True)
    owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    took_seconds = models.FloatField(null=True, blank=True, help_text="How long its last run took.")
    result = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="How many runs have failed in a row.")

    def __str__(self) -> str:
        return self.name
