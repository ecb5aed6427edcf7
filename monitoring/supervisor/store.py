"""The supervisor's only way to the database: one thread that owns the connection, and nothing waits for it.

The loop puts rows into a queue and is called back (on the loop) with declarations and operations. While
the database is away the thread keeps trying, the queue keeps what happened, and services are looked
after as before.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection

from medimgr.events.connections import forget_worker
from medimgr.lib.wake import open_wake
from monitoring.models import Node
from monitoring.supervisor import flush as flushing
from monitoring.supervisor import lease as leases
from monitoring.supervisor.declarations import Declarations
from monitoring.supervisor.lease import Lease, NodeTaken
from monitoring.supervisor.operation_rows import OperationRows
from monitoring.supervisor.records import Declared, Opening, Order, TakenOver
from monitoring.supervisor.writes import Batch, WriteQueue

log = logging.getLogger(__name__)
RENEW_SECONDS = 8.0
RELOAD_SECONDS = 30.0
_GATHER_SECONDS = 0.015
"""So long a flush waits for more after the last one, so that a burst becomes few transactions."""
_REST_SECONDS = 0.004
"""A burst is over once nothing more has come for so long,"""
_LONGEST_SECONDS = 1.0
"""or since its first row came for so long: operators are to see what happens meanwhile, too."""
_AWAY_SECONDS = (0.1, 0.2, 0.5, 1.0)
_BAD_ROWS_PATIENCE = 3


class Receiver(Protocol):
    """What the loop takes from the database. The store calls these on the loop's own thread."""

    def declarations_changed(self, declared: tuple[Declared, ...], gone: frozenset[int]) -> None:
        """Take new and changed declarations, and the primary keys of those that are gone."""

    def orders_came(self, orders: list[Order]) -> None:
        """Take operations that were claimed."""

    def orders_lost(self, operations: set[int]) -> None:
        """Stop following these: they were ended or taken by somebody else."""

    def cancels_came(self, operations: set[int]) -> None:
        """Somebody asked to cancel these."""

    def start_concurrency_changed(self, limit: int) -> None:
        """Let so many services be starting at the same time; 0: as many as the machine's cores suggest."""

    def node_lost(self, message: str) -> None:
        """End: another supervisor has the node."""


class Store:
    """The thread and its queue. ``call`` runs a function on the loop (``loop.call_soon_threadsafe``)."""

    def __init__(self, node: str, prepare: Callable[[], object] = lambda: None) -> None:
        """Take the node's name; nothing is opened before :meth:`start`.

        ``prepare`` is called on the store's thread once the node is ours, before declarations are read;
        again where the database went away meanwhile. What it raises ends up in :attr:`opening`.
        """
        self.node = node
        self._prepare = prepare
        self.queue = WriteQueue()
        self.opening: Future[Opening] = Future()
        """What was found, once the database has answered; or why that cannot be."""
        self._stop = threading.Event()
        self._news = threading.Event()
        self._reload = threading.Event()
        self._taken_over: TakenOver | None = None
        self._receiver: Receiver | None = None
        self._call: Callable[..., object] | None = None
        self._threads = [
            threading.Thread(target=self._run, name="medimgr-store", daemon=True),
            threading.Thread(target=self._watch, name="medimgr-wake", daemon=True),
        ]
        self._published = flushing.Published()
        self._declarations = Declarations(node)
        self._operations: OperationRows
        self._lease: Lease
        self._due: dict[str, float] = {}
        self._flushed_at = 0.0
        self._bad_rows = 0
        self.log_budget = 0
        self._start_concurrency = 0
        """Bytes that the node's logs may take; 0: no budget. As it was last read."""
        self._give_back = True
        self._handed_over = False

    def start(self) -> None:
        """Begin to take the node over; :attr:`opening` then tells how that went."""
        for thread in self._threads:
            thread.start()

    def connect(self, receiver: Receiver, call: Callable[..., object], taken_over: TakenOver) -> None:
        """Deliver to ``receiver`` from now on. ``taken_over``: the runs that the predecessor has left."""
        self._receiver, self._call, self._taken_over = receiver, call, taken_over
        self._news.set()
        self.queue.bell.set()

    def reload(self) -> None:
        """Read the declarations now (SIGHUP)."""
        self._reload.set()
        self.queue.bell.set()

    def close(self, timeout: float = 5.0, *, give_back: bool = True, handed_over: bool = False) -> None:
        """Write what waits, give the node back and end. Waits up to ``timeout`` seconds.

        Without ``give_back`` the node's row stays as a supervisor that was killed would leave it: its
        services go on, and a successor must not take that for a fresh start. ``handed_over``: they go on
        as well, and the row says that this is meant.
        """
        self._give_back = give_back
        self._handed_over = handed_over
        self._stop.set()
        self.queue.bell.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout)

    # --- the thread that waits for other people's commits -----------------------------------------

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                wake = open_wake()
            except Exception as error:
                log.debug("cannot watch the database: %s", error)
                self._stop.wait(1.0)
                continue
            with contextlib.closing(wake):
                self._news.set()
                self.queue.bell.set()
                try:
                    while not self._stop.is_set():
                        if wake.wait(1.0, self._stop):
                            self._news.set()
                            self.queue.bell.set()
                except Exception as error:
                    log.debug("lost sight of the database: %s", error)
                    self._stop.wait(0.2)

    # --- the thread that owns the connection ------------------------------------------------------

    def _run(self) -> None:
        try:
            if self._open():
                self._serve()
        except NodeTaken as taken:
            log.error("%s", taken)
            self._deliver("node_lost", str(taken))
        finally:
            with contextlib.suppress(Exception):
                connection.close()

    def _open(self) -> bool:
        """Take the node and read what is declared; tries for as long as the database is away."""
        told = False
        while not self._stop.is_set():
            try:
                self._lease = leases.take(self.node, self._stop.wait)
                self._operations = OperationRows(self.node, f"{self.node}:{os.getpid()}:{self._lease.epoch}")
                self._operations.fail_abandoned()
                self._prepare()
                declared = self._declarations.all()
                bounds = leases.bounds(self._lease)
            except NodeTaken as taken:
                self.opening.set_exception(taken)
                return False
            except (OperationalError, InterfaceError) as error:
                if "no such table" in str(error):
                    self.opening.set_exception(error)
                    return False
                if not told:
                    log.warning("The database cannot be reached (%s); waiting for it.", _first_line(error))
                told = True
                connection.close()
                self._stop.wait(1.0)
                continue
            except Exception as error:
                self.opening.set_exception(error)
                return False
            for one in declared:
                self._published.learn(one.status)
            self.log_budget, self._start_concurrency = bounds.log_budget, bounds.start_concurrency
            self.opening.set_result(
                Opening(declared, self._lease.rebooted, self._lease.fresh, bounds.start_concurrency)
            )
            return True
        self.opening.cancel()
        return False

    def _serve(self) -> None:
        self._due = {"hold": 0.0, "renew": 0.0, "reload": time.monotonic() + RELOAD_SECONDS}
        away = 0
        while not self._stop.is_set():
            try:
                self._turn()
            except NodeTaken:
                raise
            except Exception as error:
                if not away:
                    log.warning(
                        "The database is away (%s). Services are looked after, and history is kept.",
                        _first_line(error),
                        exc_info=not isinstance(error, OperationalError | InterfaceError),
                    )
                with contextlib.suppress(Exception):
                    connection.close()
                self._news.set()
                self._stop.wait(_AWAY_SECONDS[min(away, len(_AWAY_SECONDS) - 1)])
                away += 1
            else:
                if away:
                    log.warning("The database is back, and what happened meanwhile has been written.")
                away = 0
        self._end()

    def _turn(self) -> None:
        self.queue.bell.wait(max(0.0, min(self._due.values()) - time.monotonic()))
        self.queue.bell.clear()
        if self._receiver is not None and self._news.is_set():
            self._news.clear()
            self._look()
        self._flush()
        now = time.monotonic()
        if now >= self._due["renew"]:
            self._lost(self._operations.renew())
            self._operations.reap()
            self._due["renew"] = now + RENEW_SECONDS
        if self._receiver is not None and (now >= self._due["reload"] or self._reload.is_set()):
            self._reload.clear()
            self._changed()
            self._due["reload"] = now + RELOAD_SECONDS

    def _look(self) -> None:
        """See what others have committed: declarations, operations, cancellations."""
        orders = self._operations.claim()
        # Looked for after the claim and delivered before it: an operation may be on a service that was
        # declared a moment ago.
        if self._declarations.announced() or not self._declarations.knows(order.key for order in orders):
            self._changed()
        if orders:
            self._deliver("orders_came", orders)
        lost, cancelled = self._operations.look()
        self._lost(lost)
        if cancelled:
            self._deliver("cancels_came", cancelled)

    def _changed(self) -> None:
        bounds = leases.bounds(self._lease)
        self.log_budget = bounds.log_budget
        if bounds.start_concurrency != self._start_concurrency:
            self._start_concurrency = bounds.start_concurrency
            self._deliver("start_concurrency_changed", bounds.start_concurrency)
        declared, gone = self._declarations.changed()
        for one in declared:
            self._published.learn_new(one.status)
        if declared or gone:
            self._deliver("declarations_changed", declared, gone)

    def _lost(self, operations: set[int]) -> None:
        if operations:
            self._deliver("orders_lost", operations)

    def _deliver(self, method: str, *arguments: object) -> None:
        if self._receiver is not None and self._call is not None:
            # The loop may have ended by now.
            with contextlib.suppress(RuntimeError):
                self._call(getattr(self._receiver, method), *arguments)

    # --- writing ----------------------------------------------------------------------------------

    def _flush(self) -> None:
        now = time.monotonic()
        if now < self._due["hold"] and not self.queue.waiting() and self._taken_over is None:
            return
        self._gather()
        batch = self.queue.take()
        try:
            # Looked at after the batch was taken: whatever was started after the take-over comes into the
            # table only once the runs that were lost in it are closed.
            if self._taken_over is not None:
                flushing.take_over_runs(self._lease, self._taken_over)
                self._taken_over = None
            self._write(batch)
            self._due["hold"] = time.monotonic() + Node.HEARTBEAT_SECONDS
            while batch.workers:
                # The monitor of connections counts their streams until somebody says that they are gone.
                forget_worker(self.node, batch.workers[0])
                del batch.workers[0]
            while batch.notes:
                self._operations.write(batch.notes[0])
                del batch.notes[0]
        except BaseException:
            self.queue.give_back(batch)
            raise
        finally:
            self._flushed_at = time.monotonic()

    def _gather(self) -> None:
        """Wait until the loop has put in all that one burst brings.

        A flush needs the interpreter, and would take it from the loop in the middle of a restart.
        """
        begun = time.monotonic()
        earliest = max(begun + _REST_SECONDS, self._flushed_at + _GATHER_SECONDS)
        latest = begun + _LONGEST_SECONDS
        seen = -1
        while (now := time.monotonic()) < latest and not self._stop.is_set():
            if now >= earliest and self.queue.put_count == seen:
                return
            seen = self.queue.put_count
            self._stop.wait(max(_REST_SECONDS, earliest - now))

    def _write(self, batch: Batch) -> None:
        """Write the rows, and take them out of the batch."""
        try:
            flushing.flush(batch, self._lease, self._published)
        except (IntegrityError, DataError) as error:
            self._bad_rows += 1
            if self._bad_rows < _BAD_ROWS_PATIENCE:  # somebody else's change may have crossed ours
                raise
            log.error("The database refuses a row (%s); writing one by one.", _first_line(error))
            self._write_singly(batch)
        self._bad_rows = 0
        batch.clear_rows()

    def _write_singly(self, batch: Batch) -> None:
        for one in batch.singly():
            try:
                flushing.flush(one, self._lease, self._published)
            except (IntegrityError, DataError) as error:
                log.error("Dropped a row that the database refuses: %s", _first_line(error))

    def _end(self) -> None:
        """Write what is left and give the node back; a database that is away now stays behind."""
        try:
            self._flushed_at = 0.0
            self._due["hold"] = 0.0
            self._flush()
            if self._handed_over:
                self._operations.hand_over()
            if self._give_back or self._handed_over:
                leases.release(self._lease, handed_over=self._handed_over)
        except NodeTaken as taken:
            log.error("%s", taken)
        except Exception as error:
            log.error(
                "The database is away (%s): what happened last is not in the history.", _first_line(error)
            )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
