"""Measures all services of a node once a second, and looks at the room that their logs have."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from medimgr.lib.units import megabytes
from monitoring.supervisor.identity import Identity
from monitoring.supervisor.proctable import MarkerCache
from monitoring.supervisor.sampler import Sampler, Usage

DISK_SECONDS = 2
"""Every how many measurements the disk is looked at."""
LOW_BYTES = 100 * 1024 * 1024
LOW_SHARE = 0.02


def disk_problem(directory: Path) -> str:
    """Return in words that the disk under ``directory`` is nearly full, empty where it is not.

    Nearly full: less than 100 MiB and less than two percent are left to unprivileged programs, or none.
    """
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    try:
        disk = os.statvfs(directory)
    except OSError as error:
        return f"The log directory {directory} cannot be looked at: {error.strerror}."
    free = disk.f_bavail * disk.f_frsize
    total = disk.f_blocks * disk.f_frsize
    if not total or not (free == 0 or (free < LOW_BYTES and free < LOW_SHARE * total)):
        return ""
    return (
        f"The disk under the logs ({directory}) is nearly full: {megabytes(free)} MB left. "
        "What services log may be lost. Free some space."
    )


class Measuring:
    """``put_tick`` and ``put_problem`` hand the results to the store."""

    SECONDS = 1.0

    def __init__(
        self,
        log_directory: Path,
        put_tick: Callable[[dict[str, list[float]]], None],
        put_problem: Callable[[str], None],
    ) -> None:
        self._log_directory = log_directory
        self._put_tick = put_tick
        self._put_problem = put_problem
        self._sampler = Sampler()
        self._count = 0
        self._problem = ""
        self._figures: dict[str, list[float]] = {}
        self._told: dict[str, list[float]] = {}
        self.measured: Callable[[Mapping[str, Usage], Sampler], None] | None = None
        """Gets what each service uses, once a second."""

    @property
    def cache(self) -> MarkerCache:
        """Return what is known about which process belongs to which run."""
        return self._sampler.cache

    def measure(self, living: Mapping[str, Identity]) -> None:
        """Sample what the runs in ``living`` use, by key; now and then look at the disk. Raises OSError."""
        if self._count % DISK_SECONDS == 0:
            problem = disk_problem(self._log_directory)
            if problem != self._problem:
                self._problem = problem
                self._put_problem(problem)
        self._count += 1
        usage = self._sampler.sample(living)
        self._tell(usage)
        if self.measured is not None:
            self.measured(usage, self._sampler)

    def _tell(self, usage: Mapping[str, Usage]) -> None:
        """Hand on what is shown of ``usage``; where nothing is new, the very same object as before."""
        figures, looked_at = self._figures, self._sampler.looked_at
        new = figures.keys() != usage.keys()
        if new:
            figures = self._figures = {key: figures[key] for key in usage if key in figures}
        for key in looked_at:
            used = usage[key]
            figure = [used.cpu_percent, megabytes(used.memory_bytes)]
            if figures.get(key) != figure:
                figures[key], new = figure, True
        if new:
            self._told = dict(figures)  # another thread reads it
        self._put_tick(self._told)

    def close(self) -> None:
        """Close the files that are kept open from one measurement to the next."""
        self._sampler.close()
