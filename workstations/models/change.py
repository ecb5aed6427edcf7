"""What has changed on workstations and emulators: their history."""

from typing import Any

from django.db import models

from medimgr.lib.scope import Labels
from medimgr.lib.scoped_rows import ScopedRows
from workstations.models.workstation import Workstation, ids_with


class ChangeQuerySet(ScopedRows["Change"]):
    """Named selections of changes."""

    def with_labels(self, labels: Labels) -> "ChangeQuerySet":
        """Return the changes on workstations with a tag among ``labels``. One query."""
        return self.filter(workstation__in=ids_with(labels))


class Change(models.Model):
    """One change that was seen: a workstation's status, or an emulator's state, title, coming or going."""

    workstation = models.ForeignKey(Workstation, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField(db_index=True)
    index = models.PositiveIntegerField(null=True)
    """Of the emulator; empty: it is about the workstation."""
    title = models.CharField(max_length=200, blank=True)
    """Of the emulator, as it was called then."""
    what = models.CharField(max_length=12)
    """``status``, ``state``, ``title``, ``found``, ``gone``, ``size``, ``cpu`` or ``memory``."""
    before = models.CharField(max_length=200, blank=True)
    after = models.CharField(max_length=200, blank=True)
    operation_id = models.BigIntegerField(null=True)
    """The operation that read it; empty: the polling did."""

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("workstation", "-id"), name="change_of_workstation"),)

    def __str__(self) -> str:
        return f"{self.title or self.workstation_id}: {self.what} {self.before} → {self.after}"

    def scope_labels(self) -> Labels:
        """Return the labels of its workstation. Queries it unless it was read along."""
        return self.workstation.scope_labels()

    def public(self) -> dict[str, Any]:
        """Return the shape that API and page show. No query."""
        return {
            "id": self.pk,
            "at": self.at.isoformat(),
            "index": self.index,
            "title": self.title,
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "operation": self.operation_id,
        }
