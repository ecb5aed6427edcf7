"""What a service says about itself in the manner of sd_notify(3): pure, from datagrams to facts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from medimgr.lib.plain_text import clean
from monitoring.states import HealthKind, ReadyKind
from monitoring.supervisor.spec import ServiceSpec

LONGEST = 8192
"""Bytes of a datagram that are read; what is beyond is lost."""
_STATUS_CHARACTERS = 200
_FACTS = frozenset({"READY", "STOPPING", "WATCHDOG"})
_NUMBER = re.compile(r"\A[0-9]{1,18}\Z")
_DAY_MICROSECONDS = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Notice:
    """What one or more datagrams have said. None: nothing was said about it."""

    ready: bool = False
    stopping: bool = False
    watchdog: bool = False
    """It is well: ``WATCHDOG=1``."""
    status: str | None = None
    """What it does, in its own words, without control characters, 200 characters at most."""
    requests: int | None = None
    """So many requests has it served so far: ``X_REQUESTS=n``."""
    extend_seconds: float | None = None
    """It asks for so much more time, a day at most: ``EXTEND_TIMEOUT_USEC=n``."""

    def then(self, later: "Notice") -> "Notice":
        """Return what this and a later one have said together."""
        return Notice(
            ready=self.ready or later.ready,
            stopping=self.stopping or later.stopping,
            watchdog=self.watchdog or later.watchdog,
            status=self.status if later.status is None else later.status,
            requests=self.requests if later.requests is None else later.requests,
            extend_seconds=self.extend_seconds if later.extend_seconds is None else later.extend_seconds,
        )

    def __bool__(self) -> bool:
        """Return whether anything was said that we know."""
        return self != _SILENCE


_SILENCE = Notice()


def read_notices(datagrams: Iterable[bytes]) -> Notice:
    """Return what ``datagrams`` say together; of what was said twice, the later counts. Never raises.

    Lines that are not understood, the many that only systemd understands included, are passed over.
    """
    said: dict[str, str] = {}
    for datagram in datagrams:
        for line in datagram.decode("utf-8", "replace").split("\n"):
            name, equals, value = line.partition("=")
            if equals:
                if name in _FACTS and said.get(name) == "1":
                    continue  # what is so is not taken back by what comes after it
                said[name] = value
    status = said.get("STATUS")
    extend = _number(said.get("EXTEND_TIMEOUT_USEC"))
    return Notice(
        ready=said.get("READY") == "1",
        stopping=said.get("STOPPING") == "1",
        watchdog=said.get("WATCHDOG") == "1",
        status=None if status is None else clean(status).strip()[:_STATUS_CHARACTERS],
        requests=_number(said.get("X_REQUESTS")),
        extend_seconds=None if extend is None else min(extend, _DAY_MICROSECONDS) / 1_000_000,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.match(text) else None


def uses_notify(spec: ServiceSpec) -> bool:
    """Return whether ``spec`` relies on what its service says at the socket in NOTIFY_SOCKET."""
    return (
        spec.readiness.kind is ReadyKind.NOTIFY
        or spec.health.kind is HealthKind.NOTIFY
        or spec.limits.requests > 0
    )


def notify_environment(spec: ServiceSpec, path: str) -> dict[str, str]:
    """Return the variables by which sd_notify(3) and sd_watchdog_enabled(3) find the socket.

    Empty where ``spec`` does not rely on it.
    """
    if not uses_notify(spec):
        return {}
    env = {"NOTIFY_SOCKET": path}
    if spec.health.kind is HealthKind.NOTIFY:
        env["WATCHDOG_USEC"] = str(int(spec.health.silence * 1_000_000))
    return env
