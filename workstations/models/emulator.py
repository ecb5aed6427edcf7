"""The emulators on a workstation, as its list was last read."""

from typing import Any

from django.db import models

from medimgr.lib.scope import Labels
from medimgr.lib.scoped_rows import ScopedRows
from workstations.models.workstation import Workstation, ids_with
from workstations.states import EmulatorState


class EmulatorQuerySet(ScopedRows["Emulator"]):
    """Named selections of emulators."""

    def with_labels(self, labels: Labels) -> "EmulatorQuerySet":
        """Return the emulators of workstations with a tag among ``labels``. One query."""
        return self.filter(workstation__in=ids_with(labels))


class Emulator(models.Model):
    """An LDPlayer instance. Rows are made, changed and deleted by reading the workstation's list alone."""

    workstation = models.ForeignKey(Workstation, on_delete=models.CASCADE, related_name="emulators")
    index = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=EmulatorState, default=EmulatorState.UNKNOWN)
    state_since = models.DateTimeField(null=True)
    pid = models.BigIntegerField(null=True)
    vbox_pid = models.BigIntegerField(null=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    dpi = models.PositiveIntegerField(null=True)
    cpu = models.PositiveSmallIntegerField("processors", null=True)
    memory_mb = models.PositiveIntegerField("memory (MB)", null=True)
    seen_at = models.DateTimeField(null=True)
    """When it was last in the list and something about it had changed, or a poll later."""

    objects = EmulatorQuerySet.as_manager()

    class Meta:
        ordering = ("workstation", "index")
        constraints = (
            models.UniqueConstraint(fields=("workstation", "index"), name="one_emulator_per_index"),
        )
        permissions = (
            ("launch_emulator", "Can start an emulator"),
            ("stop_emulator", "Can stop an emulator"),
            ("restart_emulator", "Can restart an emulator"),
            ("rename_emulator", "Can rename an emulator"),
            ("clone_emulator", "Can clone an emulator"),
            ("modify_emulator", "Can change an emulator's processors, memory and resolution"),
            ("remove_emulator", "Can delete an emulator from its workstation"),
            ("install_emulator", "Can install apps on an emulator"),
        )

    def __str__(self) -> str:
        return f"{self.title} ({self.index})"

    def scope_labels(self) -> Labels:
        """Return the labels of its workstation. Queries the workstation where it has not been read."""
        return self.workstation.scope_labels()

    @property
    def adb_serial(self) -> str:
        """Return how adb names it: by convention, not by guarantee. No query."""
        return f"emulator-{5554 + 2 * self.index}"

    def public(self) -> dict[str, Any]:
        """Return the shape that API and stream show. No query."""
        return {
            "id": self.pk,
            "workstation": self.workstation_id,
            "index": self.index,
            "title": self.title,
            "state": self.state,
            "state_since": self.state_since.isoformat() if self.state_since else None,
            "pid": self.pid,
            "vbox_pid": self.vbox_pid,
            "width": self.width,
            "height": self.height,
            "dpi": self.dpi,
            "cpu": self.cpu,
            "memory_mb": self.memory_mb,
            "adb_serial": self.adb_serial,
            "seen_at": self.seen_at.isoformat() if self.seen_at else None,
        }
