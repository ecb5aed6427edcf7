"""What it takes to look after a fleet of which half can't be reached, and how soon a change is told."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
from cryptography.fernet import Fernet

from tests.benchmarks.beacons import CannotMeasure
from tests.benchmarks.operation_peers.medimgr_here import MANAGE, Medimgr
from tests.benchmarks.peers.medimgr_here import ROOT
from tests.benchmarks.usage import pss_mb, threads

_LOOK_SECONDS = 0.05
_ADVANCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Size:
    """How large the fleet is, and how often it is looked after."""

    workstations: int = 200
    emulators: int = 20
    inventory_seconds: float = 60.0
    reachability_seconds: float = 30.0
    changes: int = 20
    stalling: int = 5

    @property
    def reachable(self) -> int:
        """Return how many answer: half of them."""
        return self.workstations - self.workstations // 2


class Fleet:
    """The simulated workstations, in a process of their own."""

    def __init__(self, size: Size, output: Path) -> None:
        """Start them and wait until they listen."""
        silent = (size.workstations - size.reachable) // 2
        counts = {
            "reachable": size.reachable,
            "silent": silent,
            "refusing": size.workstations - size.reachable - silent,
            "emulators": size.emulators,
        }
        words = [word for name, count in counts.items() for word in (f"--{name}", str(count))]
        with output.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.fleet_process", *words],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._output = output
        self.declarations = self._answer()

    def ask(self, *words: str) -> object:
        """Have the fleet do something; return what it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def at(self, *words: str) -> int:
        """Have the fleet do something; return when it did (CLOCK_MONOTONIC, ns)."""
        answer = self.ask(*words)
        assert isinstance(answer, int)
        return answer

    def readings(self) -> dict[str, list[float]]:
        """Return when each workstation was asked for its list, in seconds (CLOCK_MONOTONIC)."""
        answer = self.ask("readings")
        assert isinstance(answer, dict)
        return {name: [at / 1e9 for at in times] for name, times in answer.items()}

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> object:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CannotMeasure(f"The simulated fleet has ended: {self._output.read_text()[-500:]}")
        return json.loads(line)


class Watcher(Medimgr):
    """medimgr's operations worker that looks after a fleet."""

    size = Size()

    def environment(self) -> Mapping[str, str]:
        """Return the settings of an installation that has the intervals and a key for passwords."""
        return {
            **super().environment(),
            "DJANGO_SETTINGS_MODULE": "medimgr.settings",
            "MEDIMGR_INVENTORY_SECONDS": str(self.size.inventory_seconds),
            "MEDIMGR_REACHABILITY_SECONDS": str(self.size.reachability_seconds),
            "MEDIMGR_ENCRYPTION_KEYS": self._key,
        }

    def __init__(self, directory: Path, database_url: str = "") -> None:
        """Use ``directory``, which exists and is empty."""
        super().__init__(directory, database_url)
        self._key = Fernet.generate_key().decode()
        self.pks: dict[str, int] = {}

    def declare(self, fleet: Fleet) -> None:
        """Store the fleet."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.fleet_declaring"],
            cwd=ROOT,
            env=dict(self.environment()),
            input=json.dumps(fleet.declarations),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotMeasure(f"The fleet can't be declared: {done.stderr[-500:]}")
        self.pks = json.loads(done.stdout)

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait until ``condition`` holds; return when that was (monotonic). Raises CannotMeasure."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise CannotMeasure(f"In {seconds:g} s not: {what}. {self.output()}")
            time.sleep(_LOOK_SECONDS)
        return time.monotonic()

    def events(self) -> int:
        """Return the id of the newest event of workstations and emulators."""
        return self.value(
            "SELECT coalesce(max(id), 0) FROM events_event WHERE topic IN ('workstation', 'emulator')"
        )

    def told_since(self, name: str, last: int) -> bool:
        """Return whether something of this workstation or its emulators was told after the event ``last``."""
        pk = self.pks[name]
        return bool(
            self.value(
                f"SELECT count(*) FROM events_event WHERE id > {last} AND (topic = 'workstation' AND "
                f"key = '{pk}' OR topic = 'emulator' AND key IN (SELECT CAST(id AS varchar(20)) "
                f"FROM workstations_emulator WHERE workstation_id = {pk}))"
            )
        )


@dataclass(slots=True)
class Found:
    """The figures of one fleet."""

    first: float = 0.0
    """Seconds from the worker's start until everybody is known."""
    cpu: float = 0.0
    """Percent of one core, in the intervals after that."""
    reading_cpu_ms: float = 0.0
    memory: float = 0.0
    most_threads: int = 0
    events: int = 0
    """Of a fleet that rests."""
    longest_gap: float = 0.0
    """Seconds between two readings of one workstation, the longest of all."""
    longest_gap_beside_stalling: float = 0.0
    changes: list[float] = field(default_factory=list)
    """Seconds from a change at a workstation to its event."""
    gone: float = 0.0
    back: float = 0.0
    stopped: float = 0.0
    left: int = 0


@contextmanager
def watched(size: Size, database_url: str = "") -> Iterator[tuple[Fleet, Watcher]]:
    """Yield a fleet and a medimgr that knows it; whatever happens, nothing of both is left."""
    with tempfile.TemporaryDirectory(prefix="medimgr-bench-") as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        fleet = Fleet(size, directory / "fleet")
        stack.callback(fleet.close)
        watcher = Watcher(directory, database_url)
        watcher.size = size
        stack.callback(watcher.close)
        watcher.prepare()
        watcher.declare(fleet)
        yield fleet, watcher


def look_after(size: Size, database_url: str = "") -> Found:
    """Look after a fleet for three intervals; return what was found. Raises CannotMeasure."""
    found = Found()
    with watched(size, database_url) as (fleet, watcher):
        begin = time.monotonic()
        worker = watcher.start([*MANAGE, "run_operations"])
        found.first = watcher.wait_for(lambda: _known(watcher, size), 240.0, "everybody is known") - begin
        _rest(found, fleet, watcher, worker.pid)
        _change(found, fleet, watcher)
        _leave_and_return(found, fleet, watcher)
        begin = time.monotonic()
        worker.terminate()
        worker.wait(30)
        found.stopped = time.monotonic() - begin
        watcher.wait_for(lambda: fleet.ask("left") == 0, 10.0, "no shell or connection is left")
    return found


def _known(watcher: Watcher, size: Size) -> bool:
    emulators = watcher.value("SELECT count(*) FROM workstations_emulator")
    unknown = watcher.value("SELECT count(*) FROM workstations_workstation WHERE status = 'unknown'")
    return emulators == size.reachable * size.emulators and unknown == 0


def _rest(found: Found, fleet: Fleet, watcher: Watcher, pid: int) -> None:
    """Have nothing change for an interval and what an early round may add to it."""
    time.sleep(watcher.size.inventory_seconds / 10)
    last, before = watcher.events(), _cpu_seconds(pid)
    begin = time.monotonic()
    while time.monotonic() < begin + 1.1 * watcher.size.inventory_seconds:
        time.sleep(0.2)
        found.most_threads = max(found.most_threads, threads([pid]))
    used = _cpu_seconds(pid) - before
    seconds = time.monotonic() - begin
    readings = sum(1 for times in fleet.readings().values() for at in times if at >= begin)
    found.cpu = 100 * used / seconds
    found.reading_cpu_ms = 1000 * used / max(1, readings)
    found.memory = pss_mb([pid])
    found.events = watcher.events() - last


def _cpu_seconds(pid: int) -> float:
    """Return what the process has used so far, threads that have ended since included."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _change(found: Found, fleet: Fleet, watcher: Watcher) -> None:
    """Change something at workstations now and then in an interval, while some of the others stall."""
    size = watcher.size
    names = sorted(name for name in watcher.pks if name.startswith("pc-"))
    stalling, others = names[: size.stalling], names[size.stalling :]
    for name in stalling:
        fleet.ask("stall", name)
    begin, quiet = time.monotonic(), fleet.readings()
    waiting: dict[str, tuple[int, int]] = {}
    step = size.inventory_seconds / size.changes
    todo = others[:: max(1, len(others) // size.changes)][: size.changes]
    while todo or waiting:
        if todo and time.monotonic() >= begin + step * (size.changes - len(todo)):
            name = todo.pop()
            waiting[name] = (watcher.events(), fleet.at("change", name))
        for name, (last, at) in list(waiting.items()):
            if watcher.told_since(name, last):
                found.changes.append((time.monotonic_ns() - at) / 1e9)
                del waiting[name]
        if time.monotonic() > begin + 3 * size.inventory_seconds + _ADVANCE_SECONDS:
            raise CannotMeasure(f"Changes of {sorted(waiting)} were not told. {watcher.output()}")
        time.sleep(_LOOK_SECONDS)
    readings = fleet.readings()
    found.longest_gap = max(map(_gap, quiet.values()))
    # The last reading before the stalls began counts as the first of those after it.
    found.longest_gap_beside_stalling = max(
        _gap(readings[name][max(0, len(quiet[name]) - 1) :]) for name in others
    )


def _gap(times: list[float]) -> float:
    return max((after - before for before, after in pairwise(times)), default=0.0)


def _leave_and_return(found: Found, fleet: Fleet, watcher: Watcher) -> None:
    """Switch one workstation off and on: from each until its emulators are told to be in something else."""
    name = max(name for name in watcher.pks if name.startswith("pc-"))
    states = (
        "SELECT count(*) FROM workstations_emulator WHERE workstation_id = "
        f"{watcher.pks[name]} AND state <> 'unknown'"
    )
    limit = 2 * watcher.size.reachability_seconds + _ADVANCE_SECONDS
    at = fleet.at("close", name) / 1e9
    found.gone = watcher.wait_for(lambda: watcher.value(states) == 0, limit, f"{name} is gone") - at
    at = fleet.at("open", name) / 1e9
    found.back = watcher.wait_for(lambda: watcher.value(states) > 0, limit, f"{name} is back") - at
