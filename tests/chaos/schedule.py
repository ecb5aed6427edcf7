"""A seeded random schedule of everything that can go wrong, against a real supervisor with real services."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.conf import settings

from medimgr.lib.problems import Problem
from monitoring.actions import Verb
from monitoring.models import Service, ServiceStatus
from monitoring.supervisor.identity import supervisor_mark
from operations.models import Operation
from tests.chaos.invariants import breaches
from tests.chaos.stalling import Stall
from tests.chaos.watcher import Seen, Watcher
from tests.monitoring.supervision.ward import Ward, program, sleeper
from tests.running import ROOT

_SETTLE_SECONDS = 45.0
_PAUSE_SECONDS = (0.0, 0.15)
_QUICK: dict[str, Any] = {
    "backoff_base_seconds": 0.05,
    "backoff_cap_seconds": 0.3,
    "stop_timeout_seconds": 1.0,
}
_HOOKS: dict[str, Any] = {
    "pre_start_command": ["sleep", "0.05"],
    "pre_stop_command": ["sleep", "0.05"],
    "post_stop_command": ["sleep", "0.05"],
    "stop_command": ["true"],
    "stop_request_seconds": 0.1,
}
_CRASHES = ["sh", "-c", "sleep 0.$(($$ % 7 + 1)); exit 1"]


class Chaos:
    """``command`` starts the supervisor; manage.py supervise unless a test plants a bug."""

    def __init__(self, ward: Ward, seed: int, command: list[str] | None = None) -> None:
        self._ward = ward
        self._random = random.Random(seed)
        self._seed = seed
        self._command = command
        self._stall = Stall(ward.instance.database_url)
        mark = supervisor_mark(settings.MEDIMGR_NODE, str(ward.instance.data_dir))
        self._watcher = Watcher(mark)
        plain = ward.declare("plain", **_QUICK)
        ward.declare("second", **_QUICK)
        ward.declare("family", command=program("busy_family"), **_QUICK)
        ward.declare("stubborn", command=program("stubborn"), **_QUICK)
        ward.declare("slow", command=program("slow_to_stop", "0.3"), **_QUICK)
        ward.declare("crashing", command=_CRASHES, autostart=False, **_QUICK)
        ward.declare("hooked", **_HOOKS, **_QUICK)
        ward.declare("copied", instances=2, **_QUICK)
        ward.declare("limited", command=sleeper(), max_failures=3, failure_window_seconds=5.0, **_QUICK)
        ward.declare("dependent", needs=(plain,), **_QUICK)
        self._stopped: set[Seen] = set()
        self._began = 0.0
        self.deeds: list[str] = []
        """What was done, and when."""
        self._weights: dict[Callable[[], str], int] = {
            self._operate: 30,
            self._scale: 2,
            self._kill_a_leader: 10,
            self._kill_a_child: 6,
            self._freeze: 3,
            self._thaw: 3,
            self._kill_the_supervisor: 4,
            self._hand_over: 2,
            self._hold_the_database: 2,
        }

    def run(self, seconds: float) -> None:
        """Let it rage, then settle, and fail with the seed where an invariant does not hold."""
        self._began = time.monotonic()
        self._start_supervisor()
        self._watcher.start()
        try:
            self._ward.wait(lambda: "plain" in self._living(), "the first services run", timeout=30)
            self._began = time.monotonic()
            deeds, weights = list(self._weights), list(self._weights.values())
            while time.monotonic() - self._began < seconds and not self._watcher.doubled:
                (deed,) = self._random.choices(deeds, weights)
                self._note(deed())
                time.sleep(self._random.uniform(*_PAUSE_SECONDS))
                assert self._ward.running().alive, self._evidence(["the supervisor ended by itself"])
            self._settle()
            # Whatever the schedule was: once at least somebody takes over from a dead one what surely runs.
            self._note(self._kill_the_supervisor())
            self._settle()
        finally:
            self._watcher.stop()
            self._thaw()
        found = [f"doubled: {moment}" for moment in self._watcher.doubled]
        if not found:
            found = breaches(self._declared(), self._watcher.processes())
        assert not found, self._evidence(found)
        assert self._watcher.samples > seconds, "The watcher has hardly looked."

    def counts(self) -> Counter[str]:
        """Return how often each deed was done."""
        return Counter(line.split(" ", 1)[1].split(":")[0] for line in self.deeds)

    # --- deeds ------------------------------------------------------------------------------------

    def _operate(self) -> str:
        if self._stall.on:  # this would wait for the database, too
            return self._kill_a_leader()
        service = self._random.choice(self._declared())
        verbs: tuple[Verb, ...] = ("start", "stop", "restart", "auto-recovery-on", "auto-recovery-off")
        (verb,) = self._random.choices(verbs, (5, 3, 4, 1, 1))
        force = verb == "stop" and self._random.random() < 0.2
        try:
            self._ward.ask(service, verb, force=force)
        except Problem as problem:
            return f"{verb}: refused for {service.key}, {problem.code}"
        return f"{verb}: {service.key}{' by force' if force else ''}"

    def _scale(self) -> str:
        if self._stall.on:
            return self._kill_a_child()
        copied = Service.objects.get(key="copied")
        copied.instances = self._random.randint(1, 4)
        try:
            copied.save()
        except Problem as problem:
            return f"scale: refused, {problem.code}"
        return f"scale: to {copied.instances}"

    def _declared(self) -> list[Service]:
        """Return all services, copies included, in an order that depends on nothing but their keys."""
        return list(Service.objects.select_related("node").order_by("key"))

    def _kill_a_leader(self) -> str:
        return self._kill([one for one in self._watcher.processes() if one.leader])

    def _kill_a_child(self) -> str:
        return self._kill([one for one in self._watcher.processes() if not one.leader])

    def _kill(self, processes: list[Seen]) -> str:
        if not processes:
            return "kill: nobody"
        one = self._random.choice(sorted(processes, key=lambda seen: seen.pid))
        self._send(one, signal.SIGKILL)
        return f"kill: {one.pid} of {one.service}{'' if one.leader else ', a child'}"

    def _freeze(self) -> str:
        processes = sorted(self._watcher.processes(), key=lambda seen: seen.pid)
        if not processes:
            return "freeze: nobody"
        one = self._random.choice(processes)
        self._stopped.add(one)
        self._send(one, signal.SIGSTOP)
        return f"freeze: {one.pid} of {one.service}"

    def _thaw(self) -> str:
        for one in self._stopped:
            self._send(one, signal.SIGCONT)
        count = len(self._stopped)
        self._stopped.clear()
        return f"thaw: {count}"

    def _send(self, one: Seen, number: signal.Signals) -> None:
        if one.lives():
            with suppress(ProcessLookupError):
                os.kill(one.pid, number)

    def _kill_the_supervisor(self) -> str:
        self._ward.running().kill()
        time.sleep(self._random.choice((0.0, 0.0, 0.1, 0.4)))
        self._start_supervisor()
        return "supervisor: killed"

    def _hand_over(self) -> str:
        supervisor = self._ward.running()
        supervisor.signal(self._random.choice((signal.SIGTERM, signal.SIGINT)))
        how = supervisor.wait(40)  # it may wait for the database
        self._start_supervisor()
        return f"supervisor: handed over, ended with {how}"

    def _hold_the_database(self) -> str:
        if self._stall.on:
            return "database: held already"
        seconds = self._random.uniform(0.5, 4.0)
        self._stall.hold(seconds)
        return f"database: held for {seconds:.1f} s"

    def _start_supervisor(self) -> None:
        instance = self._ward.instance
        if self._command is None:
            self._ward.supervisor = instance.start("supervise", "--leave-running")
        else:
            # A program finds its own directory, not the one that it is started in.
            self._ward.supervisor = instance.start_command(
                self._command, name="planted", PYTHONPATH=str(ROOT)
            )

    # --- the end ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._stall.wait()
        self._thaw()
        if self._watcher.doubled:
            return
        if not self._ward.running().alive:
            self._start_supervisor()
        end = time.monotonic() + _SETTLE_SECONDS
        # What crashes by itself never comes to rest, nor does what waits for one that is stopped.
        self._insist("crashing", "stop", end)
        self._insist("plain", "start", end)
        quiet_since = time.monotonic()
        while time.monotonic() < end and time.monotonic() - quiet_since < 1.5 and not self._watcher.doubled:
            if not self._at_rest():
                quiet_since = time.monotonic()
            time.sleep(0.1)

    def _insist(self, key: str, verb: Verb, end: float) -> None:
        service = Service.objects.get(key=key)
        while time.monotonic() < end:
            with suppress(Problem):
                self._note(f"{verb}: {key}, {self._ward.ask(service, verb)}")
                return
            time.sleep(0.1)

    def _living(self) -> set[str]:
        return {one.service for one in self._watcher.processes()}

    def _at_rest(self) -> bool:
        if Operation.objects.active().exists():
            return False
        known = set(Service.objects.values_list("key", flat=True))
        if self._living() - known:
            return False
        for status in ServiceStatus.objects.all():
            wanted = {"RUNNING"} if status.intent == "up" else {"STOPPED"}
            if status.intent == "up" and not status.auto_recovery:
                wanted |= {"EXITED", "FATAL"}
            if status.state not in wanted:
                return False
        return True

    def _note(self, deed: str) -> None:
        self.deeds.append(f"{time.monotonic() - self._began:.2f} {deed}")

    def _evidence(self, found: list[str]) -> str:
        history = [line for service in self._declared() for line in self._of(service)]
        return "\n".join(
            [
                f"MEDIMGR_CHAOS_SEED={self._seed} found:",
                *found[:40],
                "--- done",
                *self.deeds,
                "--- history",
                *history,
                self._ward.instance.outputs(),
            ]
        )

    def _of(self, service: Service) -> list[str]:
        runs = [
            f"  run {run.run_id} pid {run.pid} {run.started_at:%H:%M:%S.%f} to {run.ended_at:%H:%M:%S.%f}"
            if run.ended_at
            else f"  run {run.run_id} pid {run.pid} lives"
            for run in self._ward.runs(service)
        ]
        return [service.key, *(f"  {line}" for line in self._ward.history(service)), *runs]
