"""Connects to many workstations at once from one thread: what it finds comes out of a queue."""

import asyncio
import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from medimgr.tallies import gathering
from workstations.connect_failures import failed, is_ours, silence, unknown_name, unresolved
from workstations.exceptions import RemoteFailure
from workstations.tallies import ANSWERED, CONNECTED, FAILED

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
AT_ONCE = 256
_LOOK_UPS = 32
"""So many names are asked for at a time, each in a thread: nothing else bounds a slow name server."""
_NEXT_LOOK_SECONDS = 0.02
_LATE_SECONDS = 1.0

_Address = tuple[socket.AddressFamily, tuple[str | int, ...] | tuple[int, bytes]]
_look_ups = threading.BoundedSemaphore(_LOOK_UPS)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to connect to, and in how many seconds."""

    pk: int
    host: str
    port: int
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a connect has shown."""

    target: Target
    began: datetime
    failure: RemoteFailure | None
    """None: it answers."""


class _NotJudged(Exception):
    """The connect failed for reasons of this machine: nothing is known of the other one."""


class Prober(threading.Thread):
    """Connects to each target when its time has come, sends nothing, and hangs up.

    ``findings`` holds what it found, and None once it has ended. A target takes ``timeout`` seconds at most,
    its name included, and holds up none of the others. No query.
    """

    def __init__(
        self, targets: Iterable[Target], *, timeout: float = TIMEOUT_SECONDS, at_once: int = AT_ONCE
    ) -> None:
        """Prepare to connect to ``targets``, ``at_once`` of them at a time at most."""
        super().__init__(name="reachability", daemon=True)
        self.findings: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()
        self.not_judged = 0
        """How many could not be looked at for want of something on this machine."""
        self._targets = list(targets)
        self._timeout = timeout
        self._at_once = at_once
        self._end: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = threading.Event()

    def end(self) -> None:
        """Break off what is under way; ``join`` it then."""
        self._ended.set()
        if self._loop is not None and self._end is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)

    def run(self) -> None:
        """Connect to all targets."""
        try:
            asyncio.run(self._all())
        except Exception:
            logger.exception("looking at the workstations stumbled")
        finally:
            self.findings.put(None)

    async def _all(self) -> None:
        self._end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._ended.is_set():
            return
        places = asyncio.Semaphore(self._at_once)
        tasks = [asyncio.create_task(self._one(target, places)) for target in self._targets]
        ending = asyncio.create_task(self._end.wait())
        work: asyncio.Future[list[None]] = asyncio.gather(*tasks)
        both: list[asyncio.Future[Any]] = [work, ending]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)

    async def _one(self, target: Target, places: asyncio.Semaphore) -> None:
        await asyncio.sleep(target.after)
        async with places:
            began, began_at = timezone.now(), time.monotonic()
            try:
                failure = await self._connect(target)
            except _NotJudged as error:
                self.not_judged += 1
                logger.warning("%s could not be looked at: %s", target.host, error)
                return
        result = ANSWERED if failure is None else FAILED
        gathering.of_this_process.add(CONNECTED.seen(time.monotonic() - began_at, result))
        self.findings.put(Finding(target, began, failure))

    async def _connect(self, target: Target) -> RemoteFailure | None:
        begin = time.monotonic()
        progress = _Progress()
        failure: RemoteFailure | None = None
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await _resolve(target.host, target.port, progress)
                for number, (family, address) in enumerate(addresses):
                    left = self._timeout - (time.monotonic() - begin)
                    try:
                        # Each address gets its share of what is left, so that a dead one hides no other.
                        async with asyncio.timeout(left / (len(addresses) - number)):
                            await _reach(family, address)
                        return None
                    except OSError as error:
                        if is_ours(error):
                            raise _NotJudged(error.strerror) from error
                        failure = failed(error, target.host, target.port, self._timeout)
        except TimeoutError:
            if not progress.asked:
                raise _NotJudged("the name server is too slow for so many names") from None
            failure = (
                silence(target.host, target.port, self._timeout)
                if progress.resolved
                else unresolved(target.host, self._timeout)
            )
        except (socket.gaierror, UnicodeError):
            failure = unknown_name(target.host)
        if time.monotonic() - begin > self._timeout + _LATE_SECONDS:
            raise _NotJudged("this process did not get to run for a while")
        return failure


@dataclass(slots=True)
class _Progress:
    """How far the look-up of a name has come."""

    asked: bool = False
    resolved: bool = False


async def _reach(family: socket.AddressFamily, address: tuple[str | int, ...] | tuple[int, bytes]) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        await asyncio.get_running_loop().sock_connect(probe, address)


async def _resolve(host: str, port: int, progress: _Progress) -> list[_Address]:
    """Return the addresses of ``host``. Raises socket.gaierror and UnicodeError."""
    try:
        addresses = _addresses(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        addresses = await _look_up(host, port, progress)
    progress.asked = progress.resolved = True
    return addresses


async def _look_up(host: str, port: int, progress: _Progress) -> list[_Address]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[_Address]] = loop.create_future()

    def tell(found: list[_Address], error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[_Address] = []
        error: Exception | None = None
        try:
            found = _addresses(host, port, 0)
        except (OSError, UnicodeError) as failure:
            error = failure
        finally:
            _look_ups.release()
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(tell, found, error)

    # A look-up that hangs outlives its prober, so they are counted over all of them: no asyncio semaphore.
    while not _look_ups.acquire(blocking=False):  # noqa: ASYNC110
        await asyncio.sleep(_NEXT_LOOK_SECONDS)
    progress.asked = True
    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await answer


def _addresses(host: str, port: int, flags: int) -> list[_Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]
