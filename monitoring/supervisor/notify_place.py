"""Where the sockets are at which services say how they are: short, lasting, closed to strangers.

A socket's path has 107 bytes, and the user a service runs as has to get there. The directory in the data
directory serves where both hold; else one of ours in the system's temporary directory does.
"""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

LONGEST_PATH = 107
_FRESH = "+"
"""Ends the name of a socket that is not yet in its place."""


class CannotListen(OSError):
    """There is no place for a socket; the message says why and what to do."""


def socket_name(key: str) -> str:
    """Return the file name of a service's socket: always the same, and short whatever the key is."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def place_for(directory: Path, name: str, uid: int) -> Path:
    """Return the path of the socket ``name`` for a process of user ``uid``; its directory is there then.

    The same answer each time, for as long as the directories above are as they are. Raises CannotListen.
    """
    directory = directory.absolute()
    if _fits(directory / name) and (uid == os.geteuid() or _may_pass(directory.parent, uid)):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotListen(f"The directory {directory} cannot be made: {error.strerror}.") from error
    else:
        directory = _temporary(directory)
    _open_to(directory, uid)
    return directory / name


def fresh(path: Path) -> Path:
    """Return where the socket for ``path`` is made before it takes that place in one step."""
    return path.with_name(path.name + _FRESH)


def _fits(path: Path) -> bool:
    return len(os.fsencode(fresh(path))) <= LONGEST_PATH


def _may_pass(directory: Path, uid: int) -> bool:
    """Return whether user ``uid`` can go through ``directory`` and all above it, groups left aside."""
    for place in (directory, *directory.parents):
        try:
            status = place.stat()
        except OSError:
            return False
        right = stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH
        if not status.st_mode & right:
            return False
    return True


def _temporary(instead_of: Path) -> Path:
    digest = hashlib.blake2b(os.fsencode(instead_of), digest_size=8).hexdigest()
    directory = Path(tempfile.gettempdir()) / f"medimgr-{os.geteuid()}-{digest}"
    if not _fits(directory / socket_name("")):
        raise CannotListen(
            f"The path {directory} is too long for a socket. Choose a data directory with a shorter path."
        )
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotListen(f"The directory {directory} cannot be made: {error.strerror}.") from error
    return directory


def _open_to(directory: Path, uid: int) -> None:
    """Check that nobody but us can put something there, and let ``uid`` through."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise CannotListen(
            f"{directory} is not a directory that only this user can write to. Look who made it; remove it."
        )
    mode = 0o700 if uid == os.geteuid() else 0o711
    if status.st_mode & mode != mode:
        directory.chmod(stat.S_IMODE(status.st_mode) | mode)
