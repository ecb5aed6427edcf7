"""The workstations that operators declare, and what is known of them."""

import re
from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction

from medimgr.events.log import Fact, publish, publish_all
from medimgr.lib.scope import Labels, tag_labels
from medimgr.lib.scoped_rows import ScopedRows
from medimgr.lib.sealing import sealed, unsealed
from workstations.access import Access
from workstations.certificates import certificate_fault
from workstations.states import Auth, Launch, Reachability

DEFAULT_LDCONSOLE = r"C:\LDPlayer\LDPlayer9\ldconsole.exe"
MOST_TAGS = 20
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:.]+(?:%\w+)?")
_TAG = re.compile(r"[\w][\w.-]{0,39}")


class WorkstationQuerySet(ScopedRows["Workstation"]):
    """Named selections of workstations."""

    def with_labels(self, labels: Labels) -> "WorkstationQuerySet":
        """Return the workstations with a tag among ``labels``. One query for the tags of all."""
        return self.filter(pk__in=ids_with(labels))


def ids_with(labels: Labels) -> list[int]:
    """Return the ids of the workstations with a tag among ``labels``. One query for the tags of all.

    SQLite can't ask for a member of a list, and a fleet has hundreds, not millions.
    """
    found = Workstation.objects.order_by("pk").values_list("pk", "tags")
    return [pk for pk, tags in found if not labels.isdisjoint(tag_labels(tags))]


class Workstation(models.Model):
    """A Windows machine with a WinRM listener, and the LDPlayer emulators on it."""

    name = models.CharField(max_length=60, unique=True)
    host = models.CharField(max_length=253, help_text="Host name or address.")
    port = models.PositiveIntegerField(
        default=5985,
        validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="5985, or 5986 with TLS.",
    )
    tls = models.BooleanField("TLS", default=False, help_text="Speak HTTPS; the port is 5986 then, mostly.")
    ca_certificates = models.TextField(
        "CA certificates",
        blank=True,
        help_text="PEM: who has signed its certificate, or that certificate itself. Empty: the system's.",
    )
    auth = models.CharField("authentication", max_length=8, choices=Auth, default=Auth.NTLM)
    username = models.CharField(
        "user name", max_length=128, blank=True, help_text=r"user, DOMAIN\user or user@realm."
    )
    password_sealed = models.TextField(blank=True, editable=False)
    ldconsole_path = models.CharField("path of ldconsole", max_length=260, default=DEFAULT_LDCONSOLE)
    code_page = models.CharField(
        max_length=20,
        blank=True,
        help_text="Of output that is neither UTF-8 nor GBK: cp1258, say. Empty: none.",
    )
    launch = models.CharField("starts emulators by", max_length=8, choices=Launch, default=Launch.TASK)
    desktop_user = models.CharField(
        max_length=128, blank=True, help_text="Whose desktop emulators run on. Empty: the user name above."
    )
    boot_seconds = models.PositiveSmallIntegerField(
        default=240,
        validators=[MinValueValidator(5), MaxValueValidator(1800)],
        help_text="How long an emulator may take to start.",
    )
    concurrency = models.PositiveSmallIntegerField(
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(8)],
        help_text="How many starts, stops and installations at once. What changes its list goes alone.",
    )
    tags = models.JSONField(default=list, blank=True, help_text="Words to select it by.")
    polled = models.BooleanField(
        default=True, help_text="Look after it regularly. Off: only when somebody asks."
    )

    status = models.CharField(
        max_length=8, choices=Reachability, default=Reachability.UNKNOWN, editable=False
    )
    status_since = models.DateTimeField(null=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)
    error_code = models.CharField(max_length=40, blank=True, editable=False)
    seen_at = models.DateTimeField(null=True, editable=False)
    """When it was last reached. Not written at each look: see the polling."""
    read_at = models.DateTimeField(null=True, editable=False)
    """When its emulators were last read."""
    failures = models.PositiveIntegerField(default=0, editable=False)
    """How often in a row it could not be reached."""
    next_probe_at = models.DateTimeField(null=True, editable=False)
    """Until then it is not asked (circuit breaker); empty: it may be."""
    system = models.JSONField(null=True, editable=False)
    """What it said of itself: see system_info."""
    host_check = models.JSONField(null=True, editable=False)
    """What the last host check found: see host_check."""

    objects = WorkstationQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("host", "port"), name="one_workstation_per_listener"),)
        permissions = (
            ("test_workstation", "Can test the connection to a workstation"),
            ("check_workstation", "Can check a workstation and read its system"),
            ("scan_workstation", "Can read the emulators of a workstation"),
            ("add_emulator_workstation", "Can create emulators on a workstation"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and publish it, in one transaction; with other tags than it had, its emulators too.

        One query for the tags that it had, and one for its emulators where they are others.
        """
        if isinstance(self.tags, list):
            self.tags = sorted(set(self.tags))
        with transaction.atomic():
            left = self._stored_labels()
            super().save(*args, **kwargs)
            labels = self.scope_labels()
            facts = [Fact("workstation", str(self.pk), self.public(), labels, left)]
            if left != labels:
                rows = self.emulators.order_by("index")
                facts += [Fact("emulator", str(row.pk), row.public(), labels, left) for row in rows]
            publish_all(facts)

    def _stored_labels(self) -> Labels:
        """Return the labels that it has had until now, none for a new one; they stay until the commit."""
        if self._state.adding:
            return frozenset()
        stored = type(self).objects.filter(pk=self.pk).order_by().select_for_update(no_key=True)
        return tag_labels(stored.values_list("tags", flat=True).first() or ())

    def scope_labels(self) -> Labels:
        """Return the labels of its tags, for who is limited to some. No query."""
        return tag_labels(self.tags)

    def set_password(self, password: str) -> None:
        """Take a new password, encrypted; an empty one takes it away. Saves nothing. Raises NoKey."""
        self.password_sealed = sealed(password) if password else ""

    @property
    def has_password(self) -> bool:
        """Return whether a password is stored. No query."""
        return bool(self.password_sealed)

    def access(self) -> Access:
        """Return how it is reached, with the password in clear. No query. Raises NoKey and Unreadable."""
        return Access(
            workstation_id=self.pk,
            name=self.name,
            host=self.host,
            port=self.port,
            tls=self.tls,
            ca_certificates=self.ca_certificates,
            auth=Auth(self.auth),
            username=self.username,
            password=unsealed(self.password_sealed) if self.password_sealed else "",
            ldconsole_path=self.ldconsole_path,
            code_page=self.code_page,
            launch=Launch(self.launch),
            desktop_user=self.desktop_user or self.username,
            boot_seconds=self.boot_seconds,
        )

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Raise ValidationError naming every bad field and its mend. No query."""
        faults: dict[str, list[ValidationError]] = {}
        try:
            super().clean_fields(exclude=exclude)
        except ValidationError as error:
            faults = error.update_error_dict(faults)
        for field, message in self._faults().items():
            if field not in (exclude or ()) and field not in faults:
                faults[field] = [ValidationError(message)]
        if faults:
            raise ValidationError(faults)

    def _faults(self) -> dict[str, str]:
        faults = {}
        if not _HOST.fullmatch(self.host):
            faults["host"] = "Write a host name or an address, without a scheme, a port or spaces."
        if self.code_page:
            try:
                b"ok".decode(self.code_page)  # nothing at all would be decoded by any
            except (LookupError, ValueError):
                faults["code_page"] = (
                    f"There is no code page {self.code_page!r}. Write one as cp1258 or cp850."
                )
        certificates = certificate_fault(self.ca_certificates)
        if certificates:
            faults["ca_certificates"] = certificates
        path = self.ldconsole_path
        if not re.fullmatch(r"[A-Za-z]:[\\/][^<>:\"|?*\x00-\x1f]*[\\/][^<>:\"|?*\x00-\x1f\\/]+\.exe", path):
            faults["ldconsole_path"] = f"Write the whole path of the program, as {DEFAULT_LDCONSOLE}."
        for field in ("name", "username", "desktop_user"):
            if not getattr(self, field).isprintable():
                faults[field] = "It has characters that can't be seen."
        if not isinstance(self.tags, list) or not all(
            isinstance(tag, str) and _TAG.fullmatch(tag) for tag in self.tags
        ):
            faults["tags"] = "Tags are words of letters, digits, _ . and -, up to 40 characters each."
        elif len(self.tags) > MOST_TAGS:
            faults["tags"] = f"There are {len(self.tags)} tags; {MOST_TAGS} at most."
        return faults

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Forget it with its emulators, which stay on the machine; publish that."""
        key = str(self.pk)
        with transaction.atomic():
            result = super().delete(*args, **kwargs)
            publish("workstation", key, {"deleted": True}, self.scope_labels())
        return result

    def public(self) -> dict[str, Any]:
        """Return the shape that API and stream show. No query."""
        return {
            "id": self.pk,
            "name": self.name,
            "host": self.host,
            "port": self.port,
            "tls": self.tls,
            "tags": self.tags,
            "polled": self.polled,
            "status": self.status,
            "status_since": self.status_since.isoformat() if self.status_since else None,
            "last_error": self.last_error,
            "error_code": self.error_code,
            "seen_at": self.seen_at.isoformat() if self.seen_at else None,
            "read_at": self.read_at.isoformat() if self.read_at else None,
            "next_probe_at": self.next_probe_at.isoformat() if self.next_probe_at else None,
            "system": self.system,
            "host_check": self.host_check,
        }
