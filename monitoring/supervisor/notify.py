"""Hears what services say about themselves: one datagram socket each, in the manner of sd_notify(3).

A service finds its socket in NOTIFY_SOCKET. The path is the same for every supervisor of the node, so that
services which outlive one are heard by the next. Only the user a service runs as may write to it.
"""

import asyncio
import contextlib
import logging
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitoring.supervisor.notices import (
    LONGEST,
    Notice,
    notify_environment,
    read_notices,
    uses_notify,
)
from monitoring.supervisor.notify_place import CannotListen, fresh, place_for, socket_name

__all__ = ["CannotListen", "Notice", "NotifyHub", "notify_environment", "uses_notify"]

log = logging.getLogger(__name__)
AT_ONCE = 64
"""So many datagrams of one service are read in one turn."""
WINDOW_SECONDS = 0.02
"""What comes so soon after something that was told is told together, at the end of this time."""
IN_A_WINDOW = 256
"""So many are read in that time; who sends more has to wait, not we."""
_NOT_A_USER = -1


@dataclass(slots=True, eq=False)
class _Ear:
    key: str
    path: Path
    uid: int
    socket: socket.socket
    window: asyncio.TimerHandle | None = None
    read: int = 0
    """Datagrams in the present window."""
    untold: Notice = field(default_factory=Notice)


class NotifyHub:
    """``said`` gets the key and what was said since the last turn, as one notice. On the loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, directory: Path, said: Callable[[str, Notice], None]
    ) -> None:
        """Take the directory for the sockets, one of this node's own below the data directory."""
        self._loop = loop
        self._directory = directory
        self._said = said
        self._ears: dict[str, _Ear] = {}

    def listen(self, key: str, uid: int | None) -> Path:
        """Listen to ``key``, whose process runs as ``uid`` (None: as we do); return the socket's path.

        Once it listens, calling it again changes nothing. What a predecessor left there is replaced.
        Raises CannotListen, an OSError whose text is for people.
        """
        user = os.geteuid() if uid is None else uid
        ear = self._ears.get(key)
        if ear is not None:
            if ear.uid == user and ear.path.exists():
                return ear.path
            self._close(ear)
        path = place_for(self._directory, socket_name(key), user)
        try:
            listening = _bound(path, user)
        except OSError as error:
            self._ears.pop(key, None)
            raise CannotListen(f"The socket {path}, for {key}, cannot be opened: {_words(error)}.") from error
        ear = _Ear(key, path, user, listening)
        self._ears[key] = ear
        self._loop.add_reader(listening, self._readable, ear)
        return path

    def forget(self, key: str) -> None:
        """Listen to ``key`` no longer and remove its socket. One that is not known is passed over."""
        ear = self._ears.pop(key, None)
        if ear is not None:
            self._close(ear)
            with contextlib.suppress(OSError):
                ear.path.unlink()

    def close(self) -> None:
        """Listen to nobody any more. The sockets' files stay: a service may live on, and be heard again."""
        for ear in self._ears.values():
            self._close(ear)
        self._ears.clear()

    def _close(self, ear: _Ear) -> None:
        if ear.window is not None:
            ear.window.cancel()
            ear.window = None
        self._loop.remove_reader(ear.socket)
        ear.socket.close()

    def _readable(self, ear: _Ear) -> None:
        datagrams: list[bytes] = []
        try:
            while len(datagrams) < AT_ONCE:
                # Descriptors that come along are closed by the kernel: there is no room for them.
                datagrams.append(ear.socket.recv(LONGEST))
        except BlockingIOError:
            pass
        except OSError as error:
            log.warning("%s: what it says cannot be read: %s", ear.key, error)
        ear.untold = ear.untold.then(read_notices(datagrams))
        ear.read += len(datagrams)
        if ear.window is None:
            self._tell(ear)
        elif ear.read >= IN_A_WINDOW:
            self._loop.remove_reader(ear.socket)

    def _tell(self, ear: _Ear) -> None:
        """Say what is new, and begin the time in which more is collected."""
        told, ear.untold = ear.untold, Notice()
        ear.window = self._loop.call_later(WINDOW_SECONDS, self._window_over, ear)
        if told:
            self._said(ear.key, told)

    def _window_over(self, ear: _Ear) -> None:
        ear.window = None
        if ear.read >= IN_A_WINDOW:
            self._loop.add_reader(ear.socket, self._readable, ear)
        ear.read = 0
        if ear.untold:
            self._tell(ear)


def _bound(path: Path, uid: int) -> socket.socket:
    """Return a socket at ``path`` that ``uid`` alone may write to. It takes its place in one step."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    new = fresh(path)
    try:
        new.unlink(missing_ok=True)
        # The mode that the file will have: there is no moment in which others may write.
        os.fchmod(listening.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listening.bind(os.fspath(new))
        if uid != os.geteuid():
            os.chown(new, uid, _NOT_A_USER)
        new.replace(path)
    except BaseException:
        listening.close()
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    return listening


def _words(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{error.strerror}. Only root can open one for another user"
    return error.strerror or str(error)
