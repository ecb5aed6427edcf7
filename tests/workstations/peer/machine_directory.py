"""The state of a simulated machine in a directory, changed by processes and threads in turn."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workstations.peer.instance import NO_PROCESS, STARTED, Instance
from tests.workstations.peer.quirks import Quirks


@dataclass
class Task:
    """A scheduled task, as it was registered."""

    line: str
    user: str
    interactive: bool
    highest: bool = False
    """It runs with all rights that its user has."""
    runs: int = 0


@dataclass
class State:
    """All that a simulated machine is, but for its network."""

    name: str
    ldconsole: str = r"C:\LDPlayer\LDPlayer9\ldconsole.exe"
    ldplayer: bool = True
    """Without, LDPlayer is not installed."""
    quirks: Quirks = field(default_factory=Quirks)
    instances: list[Instance] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """Files by path: of an APK, the package in it."""
    system: dict[str, Any] = field(default_factory=dict)
    """What the PowerShell scripts answer where it is not what they answer by themselves."""
    next_pid: int = 5000
    calls: list[list[str]] = field(default_factory=list)
    """The arguments of every run of ldconsole that changed something."""

    def take_pid(self) -> int:
        """Return a process id that nobody has had."""
        self.next_pid += 4
        return self.next_pid

    def free_index(self) -> int:
        """Return the lowest index that is free: holes are filled."""
        taken = {instance.index for instance in self.instances}
        return next(index for index in range(len(taken) + 1) if index not in taken)

    def put(self, instance: Instance) -> Instance:
        """Add an instance, at the next free index where it has none."""
        if instance.index < 0:
            instance.index = self.free_index()
        if instance.android == STARTED and instance.pid == NO_PROCESS:
            instance.begin(self.take_pid())
            instance.android, instance.vbox_pid = STARTED, instance.pid + 1
        self.instances.append(instance)
        self.instances.sort(key=lambda one: one.index)
        return instance

    @property
    def copying(self) -> bool:
        """Return whether a copy goes on in the background."""
        return any(instance.whole_at for instance in self.instances)


class MachineDirectory:
    """A directory that holds one machine's state, locked while it is read or changed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, state: State) -> None:
        """Write the first state."""
        self.path.mkdir(parents=True)
        (self.path / "lock").touch()
        self._write(state)

    @contextmanager
    def locked(self) -> Iterator[State]:
        """Yield the state as it is now, keep every other process and thread out, save what was changed."""
        with (self.path / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            text = (self.path / "state.json").read_text(encoding="utf-8")
            state = _read(text)
            now = time.time()
            for instance in state.instances:
                instance.settle(now)
            yield state
            if (changed := _written(state)) != text:
                self._write_text(changed)

    def _write(self, state: State) -> None:
        self._write_text(_written(state))

    def _write_text(self, text: str) -> None:
        fresh = self.path / "state.json.new"
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self.path / "state.json")


def _read(text: str) -> State:
    raw = json.loads(text)
    raw["quirks"] = Quirks(**raw["quirks"])
    raw["instances"] = [Instance(**one) for one in raw["instances"]]
    raw["tasks"] = {name: Task(**one) for name, one in raw["tasks"].items()}
    return State(**raw)


def _written(state: State) -> str:
    return json.dumps(state, default=vars, ensure_ascii=True)
