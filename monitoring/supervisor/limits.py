"""Whether a run is at one of its limits, and since when it may be replaced for it. Pure."""

import hashlib
from collections import deque
from dataclasses import dataclass

from medimgr.lib.units import clock, megabytes
from monitoring.states import Reason
from monitoring.supervisor.spec import Limits

AGE_JITTER = 0.1
CPU_SAMPLES = 60
"""So many points in time of the CPU used are kept at most, whatever time it is averaged over."""
CAUSES = frozenset({Reason.MEMORY, Reason.CPU, Reason.MAX_REQUESTS})
"""Limits that a new process may be at over again at once."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that a run is at, in words for people."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a run has used. Seconds, bytes, percent of one core."""

    age: float
    memory_bytes: int = 0
    """Resident memory of all its processes, summed: what they share is counted for each."""
    private_bytes: int | None = None
    """The same with shared memory counted once, None where that has not been looked at."""
    cpu_percent: float | None = None
    """Over the whole time that counts, None while it has not been up for so long."""
    requests: int = 0


def lifetime(limits: Limits, run_id: str) -> float:
    """Return the age at which a run is replaced, in seconds: the limit, give or take a tenth.

    Drawn by the run's name, so that every supervisor which takes it over finds the same; copies that were
    started together do not end together.
    """
    drawn = int.from_bytes(hashlib.blake2b(run_id.encode(), digest_size=8).digest()) / 2**64
    return limits.age_seconds * (1 - AGE_JITTER + 2 * AGE_JITTER * drawn)


def suspects_memory(limits: Limits, use: Use) -> bool:
    """Return whether its memory has to be looked at more closely: that costs, so only from here on."""
    return 0 < limits.memory_bytes < use.memory_bytes


def excess(limits: Limits, use: Use, run_id: str) -> Excess | None:
    """Return the limit that a run is at, None for none. Where there are several, the most pressing."""
    confirmed = use.private_bytes
    if suspects_memory(limits, use) and confirmed is not None and confirmed > limits.memory_bytes:
        used, most = megabytes(confirmed), megabytes(limits.memory_bytes)
        return Excess(Reason.MEMORY, f"used {used:.0f} MB of {most:.0f} MB")
    if limits.cpu_percent and use.cpu_percent is not None and use.cpu_percent > limits.cpu_percent:
        return Excess(
            Reason.CPU,
            f"used {use.cpu_percent:.0f} % CPU of {limits.cpu_percent:g} % over {limits.cpu_seconds:g} s",
        )
    if limits.requests and use.requests >= limits.requests:
        return Excess(Reason.MAX_REQUESTS, f"served {use.requests} requests of {limits.requests}")
    if limits.age_seconds and use.age >= lifetime(limits, run_id):
        return Excess(
            Reason.MAX_AGE, f"up for {clock(use.age)}; its limit is about {clock(limits.age_seconds)}"
        )
    return None


def seconds_too_early(found: Excess, cause: Reason, age: float, stable_seconds: float) -> float:
    """Return for how many seconds a run may not be replaced yet; 0.0: it may be.

    One that is itself the successor of a run at such a limit first has to be up as long as counts as
    stable: what needs more than it may have is not restarted in a circle.
    """
    if cause not in CAUSES or found.reason not in CAUSES:
        return 0.0
    return max(0.0, stable_seconds - age)


class CpuAverage:
    """CPU seconds used, averaged over a time of its own."""

    def __init__(self, seconds: float) -> None:
        """Average over ``seconds``."""
        self.seconds = seconds
        self._samples: deque[tuple[float, float]] = deque()

    def add(self, at: float, used: float) -> float | None:
        """Take the CPU seconds used until ``at``; return the percentage over the time before it.

        None while that time has not passed yet.
        """
        samples = self._samples
        if samples and used < samples[-1][1]:
            samples.clear()  # counted anew
        if not samples or at - samples[-1][0] >= self.seconds / CPU_SAMPLES:
            samples.append((at, used))
        # The newest that is old enough is the one to compare with.
        while len(samples) > 1 and at - samples[1][0] >= self.seconds:
            samples.popleft()
        since, before = samples[0]
        if at - since < self.seconds:
            return None
        return 100.0 * (used - before) / (at - since)
