"""An app that gives medimgr an operation which does nothing, and lets its transactions be timed."""

import os
import time
from functools import partial
from typing import Any

from django.apps import AppConfig
from django.db import transaction

KIND = "bench.noop"
COMMITS = "BENCH_COMMITS"
"""Names a file that gets the id of each new operation and when it was committed."""


class BenchConfig(AppConfig):
    """Only in the settings of a benchmark: nothing of medimgr knows it."""

    name = "tests.benchmarks.operation_peers"
    label = "bench"

    def ready(self) -> None:
        """Declare the kind, and note what the environment asks for."""
        from django.db.models.signals import post_save

        from operations.models import Operation
        from operations.registry import Kind, register
        from tests.benchmarks.operation_peers import transaction_times
        from tests.benchmarks.operation_peers.noop import write_down

        register(
            Kind(
                KIND,
                "Nothing",
                Operation,
                "retry",
                target_field="",
                handler=lambda job: write_down(job.operation.pk),
            )
        )
        if path := os.environ.get(COMMITS):
            commits = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            post_save.connect(partial(_note_commit, commits), sender=Operation, weak=False)
        if path := os.environ.get(transaction_times.VARIABLE):
            transaction_times.record(path)


def _note_commit(commits: int, instance: Any, created: bool, **_: Any) -> None:
    def note() -> None:
        os.write(commits, f"{instance.pk} {time.monotonic_ns()}\n".encode())

    if created:
        transaction.on_commit(note)
