"""What is counted for good, and what each of medimgr's processes says of itself."""

from django.db import models


class Tally(models.Model):
    """One number that only grows. Written by :mod:`medimgr.tallies.counting` alone."""

    name = models.CharField(max_length=64)
    labels = models.CharField(
        max_length=400, help_text="A JSON list of the values of its labels, in the order of its declaration."
    )
    value = models.FloatField(default=0.0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = (
            models.UniqueConstraint(fields=("name", "labels"), name="one_tally_per_name_and_labels"),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.labels}: {self.value:g}"


class ProcessReport(models.Model):
    """What one of medimgr's processes last said of itself."""

    node = models.CharField(max_length=100)
    kind = models.CharField(max_length=16, help_text="web, supervisor or operations.")
    pid = models.PositiveIntegerField()
    start_ticks = models.BigIntegerField(help_text="With the pid, the identity of the process.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="Renewed every few seconds while the process lives.")
    figures = models.JSONField(default=dict)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("node", "pid", "start_ticks"), name="one_report_per_process"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.node}:{self.pid}"
