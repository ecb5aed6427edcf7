"""Reads the emulators of one workstation, and stores what is new."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from workstations.exceptions import ConnectionLost, NotAskedAgain, RemoteFailure
from workstations.inventory import record, record_failure
from workstations.ldplayer.configs import read_configs
from workstations.ldplayer.ldconsole import Ldconsole
from workstations.ldplayer.list2 import Instance
from workstations.models import Workstation
from workstations.winrm import Host
from workstations.winrm.reaching import Until, reach

logger = logging.getLogger(__name__)

CONFIGS_EVERY_SECONDS = 900.0
"""How often processors and memory are read where the list stays the same: PowerShell starts for that."""


class Stopped(Exception):
    """The worker stops: what was being read says nothing."""


@dataclass(frozen=True, slots=True)
class _ConfigsRead:
    at: float
    emulators: frozenset[tuple[int, str]]


class Memory:
    """When this process has last read the configs of each workstation, and for which emulators."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._read: dict[int, _ConfigsRead] = {}

    def are_due(self, pk: int, instances: list[Instance]) -> bool:
        """Return whether the configs are to be read: there is another emulator, or it is long ago."""
        last = self._read.get(pk)
        return (
            last is None
            or time.monotonic() - last.at > CONFIGS_EVERY_SECONDS
            or last.emulators != _named(instances)
        )

    def note(self, pk: int, instances: list[Instance]) -> None:
        """Note that they were asked for now, whatever came of it."""
        self._read[pk] = _ConfigsRead(time.monotonic(), _named(instances))


def read_one(pk: int, seconds: float, stopping: threading.Event, memory: Memory) -> None:
    """Read the emulators of a workstation within ``seconds``, and store what is new of them, or why not.

    A workstation that is gone, or not to be polled any more, is left alone; so is one that its circuit
    breaker protects. Raises Stopped where ``stopping`` is set meanwhile, half a second after that at most.
    Three queries where nothing is new.
    """
    workstation = Workstation.objects.filter(pk=pk, polled=True).first()
    if workstation is None:
        return
    errand = Until(time.monotonic() + seconds, _check(stopping))
    began_at = timezone.now()
    try:
        try:
            _read(workstation, errand, memory)
        except ConnectionLost:
            _read(workstation, errand, memory)  # reading does no harm, and one reset is no news
    except NotAskedAgain:
        return
    except RemoteFailure as failure:
        record_failure(workstation, failure, began_at=began_at)


def _read(workstation: Workstation, errand: Until, memory: Memory) -> None:
    with reach(workstation, errand) as host:
        began_at = timezone.now()
        instances = Ldconsole(host).list2()
        record(workstation, instances, began_at=began_at)
        if instances and memory.are_due(workstation.pk, instances):
            memory.note(workstation.pk, instances)
            _read_configs(workstation, host, instances, errand.deadline)


def _read_configs(workstation: Workstation, host: Host, instances: list[Instance], deadline: float) -> None:
    began_at = timezone.now()
    try:
        configs = read_configs(host, timeout=max(0.0, deadline - time.monotonic()))
    except RemoteFailure as failure:
        # The list is what counts; without PowerShell there, processors and memory are not known.
        logger.warning("%s: the configs of its emulators are not known: %s", workstation, failure.detail)
        return
    record(workstation, instances, configs, began_at=began_at)


def _check(stopping: threading.Event) -> Callable[[], None]:
    def check() -> None:
        if stopping.is_set():
            raise Stopped

    return check


def _named(instances: list[Instance]) -> frozenset[tuple[int, str]]:
    return frozenset((one.index, one.title) for one in instances)
