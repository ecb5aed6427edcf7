"""Runs a supervisor from its start to its end: lock, store, loop, signals. What the commands share."""

import asyncio
import gc
import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from django.db import DatabaseError

from medimgr.lib.branches import SystemProblem
from medimgr.lib.service_notify import ServiceNotify
from monitoring.supervisor.adoption import CannotTakeOver
from monitoring.supervisor.entry import Entry
from monitoring.supervisor.journal import RunJournal
from monitoring.supervisor.launch import prepare_to_spawn
from monitoring.supervisor.lease import NodeTaken
from monitoring.supervisor.log_keeper import LogKeeper
from monitoring.supervisor.measuring import Measuring
from monitoring.supervisor.node import Supervisor
from monitoring.supervisor.node_problem import NodeProblem
from monitoring.supervisor.orphans import Orphans
from monitoring.supervisor.records import Opening
from monitoring.supervisor.spec import ServiceSpec
from monitoring.supervisor.starting import Equipment, Starter
from monitoring.supervisor.store import Store

log = logging.getLogger(__name__)
BEAT_SECONDS = 2.0
"""So often the supervisor says that its loop turns, where somebody wants to know."""
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class CannotGoOn(SystemProblem):
    """The supervisor cannot run."""

    code = "supervisor-cannot-run"
    status = 503
    remedy = "Do what the message says, then start it again; the services that run go on meanwhile."


def journal_directory(data_dir: Path, node: str) -> Path:
    """Return where the supervisor of ``node`` writes down its runs."""
    return data_dir / "runs" / quote(node, safe="")


def supervise(
    node: str,
    data_dir: Path,
    *,
    prepare: Callable[[], object] = lambda: None,
    equipment: Callable[[ServiceSpec], Equipment] | None = None,
    noticed: Callable[[Entry], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    leave_running: bool = False,
) -> int:
    """Look after the services of ``node`` until a signal ends it; return the exit code.

    The caller holds the NodeLock. ``prepare`` runs once the node's row is ours, before declarations are
    read; ``say`` gets lines for the person at the terminal. With ``leave_running`` a signal ends the
    supervisor alone, and the services go on for the next one. Whoever listens at NOTIFY_SOCKET, as systemd
    does, is told that it is ready, and that its loop turns. Raises CannotGoOn.
    """
    above = ServiceNotify.from_environment()
    nofile = prepare_to_spawn()
    try:
        journal = RunJournal(journal_directory(data_dir, node))
    except OSError as error:
        raise CannotGoOn(f"The data directory {data_dir} cannot be written: {error.strerror}.") from error
    store = Store(node, prepare)
    interrupted = threading.Event()
    before = {s: signal.signal(s, lambda *_: interrupted.set()) for s in _STOPPING}
    # The declarations are about to be read anyway.
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _ignore)
    all_stopped = left = False
    try:
        store.start()
        opening = _opened(store, interrupted)
        if opening is None:
            all_stopped = True  # nothing was taken over
            return 0
        starter = Starter(node, journal, str(data_dir), nofile=nofile, equipment=equipment)
        code = _run(
            store, opening, journal, starter, data_dir, noticed, say, interrupted, leave_running, above
        )
        left = code == 0 and leave_running
        all_stopped = code == 0 and not leave_running
        return code
    finally:
        store.close(give_back=all_stopped, handed_over=left)
        above.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _opened(store: Store, interrupted: threading.Event) -> Opening | None:
    """Wait for the database's first answer; None where a signal came first."""
    while not interrupted.is_set():
        try:
            return store.opening.result(timeout=0.1)
        except NotYet:
            continue
        except CancelledError:
            return None
        except NodeTaken as taken:
            raise CannotGoOn(str(taken)) from None
        except DatabaseError as error:
            first = str(error).strip().splitlines()[0]
            raise CannotGoOn(
                f"The database is not ready for this version of medimgr ({first}). Run manage.py migrate."
            ) from error
    return None


def _run(
    store: Store,
    opening: Opening,
    journal: RunJournal,
    starter: Starter,
    data_dir: Path,
    noticed: Callable[[Entry], None],
    say: Callable[[str], None],
    interrupted: threading.Event,
    leave_running: bool,
    above: ServiceNotify,
) -> int:
    loop = asyncio.new_event_loop()
    problem = NodeProblem(store.queue.put_problem)
    measuring = Measuring(data_dir / "logs", store.queue.put_tick, problem.of("disk"))
    supervisor = Supervisor(loop, store, starter, measuring, orphans=Orphans(), noticed=noticed)
    logs = LogKeeper(
        loop,
        data_dir / "logs",
        lambda: [(e.spec, e.situation.run_id) for e in supervisor.entries.values()],
        problem.of("logs"),
        lambda: store.log_budget,
    )
    stops = 0

    def stop() -> None:
        nonlocal stops
        stops += 1
        above.tell("STOPPING=1")
        if leave_running:
            if stops == 1:
                say("Ending; the services go on and wait for the next supervisor.")
            supervisor.leave()
            return
        if stops == 1:
            say("Stopping ... press Ctrl-C again to force.")
        elif stops == 2:
            say("Killing what is left.")
        supervisor.stop()

    try:
        # Not by the loop's own handlers: when it closes it puts those back that kill, and a signal that comes
        # once more must not keep the end from being written down.
        for number in _STOPPING:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(store.reload))
        try:
            supervisor.open(opening, journal.load())
        except CannotTakeOver as error:
            raise CannotGoOn(str(error)) from error
        if interrupted.is_set():  # between the first answer and the handlers
            stop()
        logs.start()
        # What has been read and imported by now stays: the collector need not look at it over and over, which
        # takes it 20 ms, and a restart may be waiting.
        gc.collect()
        gc.freeze()
        _beat(loop, above)
        return loop.run_until_complete(supervisor.done)
    finally:
        for number in (*_STOPPING, signal.SIGHUP):
            signal.signal(number, _ignore)
        supervisor.close()
        logs.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


def _beat(loop: asyncio.AbstractEventLoop, above: ServiceNotify) -> None:
    """Tell whoever supervises this process that it is ready and that its loop turns, now and from now on."""
    if above:
        above.tell("READY=1", "WATCHDOG=1")
        loop.call_later(BEAT_SECONDS, _beat, loop, above)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing about a signal."""
