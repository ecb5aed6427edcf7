"""What happened (events), what is measured (ticks), and who is watching (workers, connections)."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from medimgr.events.audience import marks_of
from medimgr.lib.scope import Labels
from medimgr.lib.scoped_rows import holding


def new_token() -> str:
    """Return an unguessable name for a connection (192 bits)."""
    return secrets.token_urlsafe(24)


class EventQuerySet(models.QuerySet["Event"]):
    """Named selections of the event log."""

    def after(self, event_id: int) -> "EventQuerySet":
        """Return the events that were committed after ``event_id``, oldest first."""
        return self.filter(id__gt=event_id).order_by("id")

    def on(self, topics: Iterable[str]) -> "EventQuerySet":
        """Return the events of these topics."""
        return self.filter(topic__in=list(topics))

    def heard_with(self, labels: Labels, everybodys: Iterable[str]) -> "EventQuerySet":
        """Return those that somebody limited to ``labels`` hears anything of, and the topics ``everybodys``.

        No index serves it: bound what is looked through.
        """
        return self.filter(Q(topic__in=list(everybodys)) | holding(marks_of(labels)))


class Event(models.Model):
    """One fact, written in the same transaction as the change that it reports.

    The id is commit-ordered, so it serves as the ``id:`` of the stream.
    """

    topic = models.CharField(max_length=32)
    key = models.CharField(max_length=200, help_text="The service, operation ... that it is about.")
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    labels = models.TextField(blank=True, default="", db_default="")
    """Who is limited to some labels hears of what has one of them; see :mod:`medimgr.events.audience`."""

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        # Retention deletes by age.
        indexes = (models.Index(fields=("at",), name="event_at"),)

    def __str__(self) -> str:
        return f"{self.id} {self.topic} {self.key}"


class Tick(models.Model):
    """The latest measurements of one node: a single row, overwritten about once a second."""

    node = models.CharField(max_length=100, unique=True)
    at = models.DateTimeField()
    data = models.JSONField(
        default=dict,
        help_text="Service key to [CPU percent, memory in MB], all services of the node.",
    )

    def __str__(self) -> str:
        return f"tick of {self.node}"


class Traffic(models.Model):
    """What all streams together were sent within one minute. Kept as long as events are."""

    minute = models.DateTimeField(unique=True, help_text="When the minute began.")
    events = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    saved = models.BigIntegerField(
        default=0,
        help_text="Bytes less by compression; below zero where small messages cost more than is saved.",
    )

    class Meta:
        verbose_name_plural = "traffic"

    def __str__(self) -> str:
        return f"{self.events} events from {self.minute:%H:%M}"


class DepartedFigures(models.Model):
    """One row: what web workers that are gone had counted, so that the sums of all never fall."""

    figures = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "departed figures"

    def __str__(self) -> str:
        return "what departed web workers had counted"


class StreamWorker(models.Model):
    """One web process that serves streams. Its lease tells the living from the dead."""

    node = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    start_ticks = models.BigIntegerField(
        help_text="Start time of the process in clock ticks since boot: with the pid, its identity."
    )
    pid_space = models.CharField(
        max_length=100,
        blank=True,
        default="",
        help_text="Boot and process namespace in which the pid means something.",
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="Renewed every few seconds while the process lives.")
    figures = models.JSONField(
        default=dict, help_text="What the process has counted and measured since it began, for monitoring."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("node", "pid", "start_ticks"), name="worker_identity"),
        )
        indexes = (models.Index(fields=("seen_at",), name="worker_seen_at"),)

    def __str__(self) -> str:
        return f"{self.node}:{self.pid}"


class Connection(models.Model):
    """One open stream: the row exists exactly as long as the stream does."""

    token = models.CharField(
        max_length=64,
        unique=True,
        default=new_token,
        help_text="What the client knows the connection by; whoever has it may end it.",
    )
    worker = models.ForeignKey(StreamWorker, on_delete=models.CASCADE, related_name="connections")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="connections")
    address = models.CharField(max_length=64, help_text="The client's address.")
    page = models.CharField(max_length=200, blank=True, help_text="The page that opened the stream.")
    topics = models.JSONField(default=list)
    machine_token = models.CharField(
        max_length=100, blank=True, default="", help_text="The name of the machine's token it came with."
    )
    connected_at = models.DateTimeField()
    last_ping_at = models.DateTimeField(help_text="When the last heartbeat was handed over.")
    events_sent = models.PositiveBigIntegerField(default=0)
    bytes_sent = models.PositiveBigIntegerField(default=0)
    queued = models.PositiveIntegerField(
        default=0, help_text="Bytes kept for the client at the last heartbeat, since it does not read."
    )
    pages = models.PositiveSmallIntegerField(
        default=1, help_text="How many pages of one browser it feeds: tabs beyond the first few share."
    )

    class Meta:
        ordering = ("id",)
        # The limit per client address is counted at each new connection.
        indexes = (models.Index(fields=("address",), name="connection_address"),)
        permissions = (
            ("kick_connection", "Can end somebody's stream"),
            ("probe_connection", "Can send a test event to all streams"),
        )

    def __str__(self) -> str:
        return f"stream {self.id} of {self.user_id} from {self.address}"

    def duration_seconds(self, now: datetime) -> float:
        """Return how long the stream has been open at ``now``."""
        return max(0.0, (now - self.connected_at).total_seconds())
